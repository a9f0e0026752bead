"""The users file: who may call, as TOML.

[users.shop]
password_hash = "$argon2id$v=19$m=65536,t=3,p=4$…"
topics = ["orders.*", "cities"]
records_per_s = 1000       # optional, as is
bytes_per_s = 1_000_000
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from twinpost_server.config.faults import ConfigError, Fault, quoted, toml_problem
from twinpost_server.core.principal import Principal
from twinpost_server.core.quota import Quota, QuotaMeter
from twinpost_server.core.topics import TopicPattern
from twinpost_server.security.passwords import has_controls, is_password_hash

__all__ = [
    "NAME_LENGTH_MAX",
    "RATES",
    "RATE_MAX",
    "User",
    "Users",
    "name_problem",
    "parse_users",
    "read_users",
    "require_users",
]

NAME_LENGTH_MAX: Final = 255
"""Longest user name in characters."""

RATES: Final = ("records_per_s", "bytes_per_s")
"""The keys of a user's quota."""

RATE_MAX: Final = 1e15
"""The highest rate, in records or bytes each second."""

_HOW_TO_ADD: Final = "make one with `twinpost user add`"


@dataclass(frozen=True, slots=True)
class User:
    """One who may call.

    Attributes:
        name: what `name_problem` finds no fault with.
        password_hash: what `is_password_hash` accepts.
        topics: patterns of the topics that the user may write, as `TopicPattern` reads them; empty for none.
        records_per_s: how many records the user may send each second; `None` for no bound.
        bytes_per_s: how many bytes of records; `None` for no bound.
    """

    name: str
    password_hash: str = field(repr=False)
    topics: tuple[str, ...]
    records_per_s: float | None = None
    bytes_per_s: float | None = None

    @property
    def quota(self) -> Quota:
        """What the user may send each second."""
        return Quota(records_per_s=self.records_per_s, bytes_per_s=self.bytes_per_s)

    def principal(self, meter: QuotaMeter | None) -> Principal:
        """Return what a caller is who has proven to be this user, and whose requests count on `meter`."""
        return Principal(self.name, tuple(map(TopicPattern, self.topics)), meter)


Users = Mapping[str, User]
"""Users by name."""


def name_problem(name: str) -> str | None:
    """Return why `name` cannot be a user's, or `None` if it can; RFC 7617, section 2, rules out colon and controls."""
    if not name:
        return "a user name cannot be empty"
    if len(name) > NAME_LENGTH_MAX:
        return f"a user name of {len(name)} characters is over the limit of {NAME_LENGTH_MAX}"
    if ":" in name or has_controls(name):
        return "a user name cannot have a colon or control characters"
    return None


def read_users(file: Path) -> Users:
    """Read the users file.

    Raises:
        ConfigError: it cannot be read or understood; with every fault.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(Fault(str(file), f"cannot be read: {error.strerror}; {_HOW_TO_ADD}")) from error
    return parse_users(content, file)


def require_users(file: Path) -> None:
    """Return if the file is right and has at least one user, without whom a gateway is of no use.

    Raises:
        ConfigError: as `read_users`, or there is no user.
    """
    if not read_users(file):
        raise ConfigError(Fault(str(file), f"has no user, so nobody could call: {_HOW_TO_ADD}"))


def parse_users(content: bytes, file: Path) -> Users:
    """Read what a users file holds.

    Args:
        content: the file's bytes.
        file: where they come from, for messages.

    Raises:
        ConfigError: with every fault; none of them quotes a hash.
    """
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(Fault(str(file), f"is not UTF-8 at byte {error.start}: expected TOML")) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(Fault(str(file), toml_problem(error))) from error
    faults = [
        Fault(f"{file}: {quoted(name)}", "there is no such table: expected [users.NAME] for each user")
        for name in document
        if name != "users"
    ]
    tables = document.get("users", {})
    if not isinstance(tables, dict):
        faults.append(Fault(f"{file}: users", "expected a table [users.NAME] for each user"))
        tables = {}
    users = {}
    for name, table in tables.items():
        problems = list(_problems(name, table))
        faults += [Fault(f"{file}: user {quoted(name)}", problem) for problem in problems]
        if not problems:
            rates = {rate: table.get(rate) for rate in RATES}
            users[name] = User(name, table["password_hash"], tuple(table["topics"]), **rates)
    if faults:
        raise ConfigError(*faults)
    return users


def _is_rate(value: object) -> bool:
    if value is None:
        return True
    # TOML has booleans, which Python takes for integers, infinity, and integers that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= RATE_MAX


def _problems(name: str, table: object) -> Iterator[str]:
    if problem := name_problem(name):
        yield problem
    if not isinstance(table, dict):
        yield "expected a table with password_hash and topics"
        return
    known = [attribute.name for attribute in fields(User) if attribute.name != "name"]
    for key in table.keys() - known:
        near = difflib.get_close_matches(key, known, n=1)
        yield f"{quoted(key)} is not known; " + (
            f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        )
    password_hash = table.get("password_hash")
    if not isinstance(password_hash, str) or not is_password_hash(password_hash):
        yield "password_hash is no Argon2 hash: set it with `twinpost user add --replace`"
    for rate in RATES:
        if not _is_rate(table.get(rate)):
            yield f"{rate} must be a number above 0, at most {RATE_MAX:.0f}; leave it out for no bound"
    topics = table.get("topics")
    if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
        yield 'topics must be a list of patterns, such as ["orders.*", "cities"], or ["*"] for every topic'
        return
    for topic in topics:
        try:
            TopicPattern(topic)
        except ValueError as error:
            yield f"topics: {error}"
