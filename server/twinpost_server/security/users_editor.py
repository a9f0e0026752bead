"""The editor of the users file, which keeps what people wrote into it.

An edit is whole or has not happened: the new file replaces the old one in one step, and is on the disk before that. A
lock on the file keeps edits at the same time from losing one another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from twinpost_server.config.faults import ConfigError
from twinpost_server.security.users import RATES, User, Users, parse_users, read_users

__all__ = ["EditError", "UnknownUserError", "UserExistsError", "put_user", "remove_user", "require_absent"]

_LOCK_TIMEOUT_S: Final = 10.0
_LOCK_POLL_S: Final = 0.02
_MODE: Final = 0o600
_MODE_MAX: Final = 0o640
"""An existing file may stay readable by its group, which the gateway may run as, but never by everyone."""


class EditError(Exception):
    """The file was not changed; the text says why and what to do."""


class UserExistsError(EditError):
    """There is such a user already.

    Attributes:
        name: the user.
    """

    def __init__(self, name: str, file: Path) -> None:
        """Name the user."""
        super().__init__(f"user {name!r} exists already in {file}; give --replace to change it")
        self.name = name


class UnknownUserError(EditError):
    """There is no such user.

    Attributes:
        name: the user.
    """

    def __init__(self, name: str, file: Path) -> None:
        """Name the user."""
        super().__init__(f"there is no user {name!r} in {file}; `twinpost user list` shows who is")
        self.name = name


def require_absent(file: Path, name: str) -> None:
    """Return if there is no user of that name, or no file yet.

    Raises:
        UserExistsError: there is one.
        ConfigError: the file cannot be read or understood.
    """
    if file.exists() and name in read_users(file):
        raise UserExistsError(name, file)


def put_user(
    file: Path,
    name: str,
    *,
    password_hash: str | None,
    topics: tuple[str, ...] | None,
    rates: Mapping[str, float] | None = None,
    replace: bool = False,
) -> User:
    """Add a user, or change one; the file is made, for its owner alone, if it does not exist.

    Args:
        file: the users file.
        name: the user.
        password_hash: of the new password; `None` keeps the one there is.
        topics: patterns of the topics that the user may write; `None` keeps those there are, and gives every topic to
            a new user.
        rates: the quota, by the names in `RATES`; those left out keep what they are, which is no bound for a new user.
        replace: whether to change a user there is.

    Returns:
        The user as the file has it now.

    Raises:
        UserExistsError: there is one of that name, and `replace` is false.
        UnknownUserError: there is none of that name, and no password for a new one.
        EditError: the file cannot be written.
        ConfigError: what the file holds cannot be understood.
    """
    with _open(file, create=password_hash is not None) as edit:
        before = edit.users.get(name)
        if before is not None and not replace:
            raise UserExistsError(name, file)
        if password_hash is None:
            if before is None:
                raise UnknownUserError(name, file)
            password_hash = before.password_hash
        if topics is None:
            topics = ("*",) if before is None else before.topics
        rates = rates or {}
        kept = {rate: None if before is None else getattr(before, rate) for rate in RATES}
        user = User(name, password_hash, topics, **{rate: rates.get(rate, kept[rate]) for rate in RATES})
        edit.put(user)
    return user


def remove_user(file: Path, name: str) -> None:
    """Remove a user.

    Raises:
        UnknownUserError: there is none of that name.
        EditError: the file cannot be written.
        ConfigError: what the file holds cannot be understood.
    """
    with _open(file, create=False) as edit:
        if name not in edit.users:
            raise UnknownUserError(name, file)
        edit.remove(name)


class _Edit:
    """The document under edit.

    Attributes:
        users: what the file is to hold.
    """

    def __init__(self, content: bytes, file: Path) -> None:
        self.users = dict(parse_users(content, file))
        self._document = tomlkit.parse(content.decode())

    def put(self, user: User) -> None:
        tables: Any = self._document.setdefault("users", tomlkit.table(is_super_table=True))
        if user.name not in tables:
            tables[user.name] = tomlkit.inline_table() if isinstance(tables, InlineTable) else tomlkit.table()
        table = tables[user.name]
        before = self.users.get(user.name)
        table["password_hash"] = user.password_hash
        if before is None or before.topics != user.topics:  # a list that stays keeps the comments in it
            table["topics"] = list(user.topics)
        for rate in RATES:
            if (value := getattr(user, rate)) is not None:
                table[rate] = value
        self.users[user.name] = user

    def remove(self, name: str) -> None:
        tables: Any = self._document["users"]
        del tables[name]
        del self.users[name]

    def content(self) -> bytes:
        return tomlkit.dumps(self._document).encode()


@contextlib.contextmanager
def _open(file: Path, *, create: bool) -> Iterator[_Edit]:
    """Lock and read the file, let the caller edit, and write it back."""
    try:
        # The file that a symbolic link leads to is replaced, not the link.
        target = file.resolve()
        with _locked(target, create=create) as status:
            edit = _Edit(target.read_bytes(), file)
            yield edit
            content = edit.content()
            _require_same(edit.users, content, file)
            _replace(target, content, status)
    except (OSError, RuntimeError) as error:  # `resolve` raises RuntimeError for links in a circle, until Python 3.13
        msg = f"{file} was not changed: {getattr(error, 'strerror', None) or error}"
        raise EditError(msg) from error
    except TOMLKitError as error:
        raise _unable(file) from error


def _require_same(users: Users, content: bytes, file: Path) -> None:
    """Return if `content` reads as `users`: the library that keeps comments is not sure-footed in every notation."""
    try:
        same = parse_users(content, file) == users
    except ConfigError:
        same = False
    if not same:
        raise _unable(file)


def _unable(file: Path) -> EditError:
    return EditError(
        f"{file} was not changed: its notation is beyond this command; write each user as a table [users.NAME]"
    )


@contextlib.contextmanager
def _locked(target: Path, *, create: bool) -> Iterator[os.stat_result]:
    """Hold the lock on the file that `target` is, and yield its status."""
    deadline = 0.0
    waited_for: tuple[int, int] | None = None
    while True:
        descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), _MODE)
        try:
            status = os.fstat(descriptor)
            # An edit replaces the file: a lock got after it was waited for may be on a file that is no longer there.
            if _try_lock(descriptor) and _is_at(target, status):
                yield status
                return
            if waited_for != (status.st_ino, status.st_mtime_ns):
                # Others edit it one after the other: none of them holds it for long.
                waited_for = status.st_ino, status.st_mtime_ns
                deadline = time.monotonic() + _LOCK_TIMEOUT_S
        finally:
            os.close(descriptor)
        if time.monotonic() > deadline:
            msg = f"{target} was not changed: another edit holds it for more than {_LOCK_TIMEOUT_S:g} s; try again"
            raise EditError(msg)
        time.sleep(_LOCK_POLL_S)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(target: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(target.stat(), status)
    except FileNotFoundError:
        return False


def _replace(target: Path, content: bytes, before: os.stat_result) -> None:
    """Put `content` in the place of `target`, with the owner it had."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            now = os.fstat(descriptor)
            if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
                # Root edits the file of the gateway's user, who must go on reading it.
                os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, (stat.S_IMODE(before.st_mode) | _MODE) & _MODE_MAX)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, target)  # noqa: PTH105 - `name` is no Path either
    except BaseException:
        os.unlink(name)  # noqa: PTH108 - as above
        raise
    # The edit counts from here on, whatever becomes of this: it is for a loss of power in the next seconds.
    with contextlib.suppress(OSError):
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
