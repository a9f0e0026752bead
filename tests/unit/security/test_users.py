"""The users file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.security.users_files import quick_hash
from twinpost_server.config.faults import ConfigError
from twinpost_server.core.quota import Quota
from twinpost_server.security.users import User, name_problem, parse_users, read_users, require_users

HASH = quick_hash("mypass")
FILE = Path("users.toml")


def faults_of(text: str) -> list[str]:
    """Return what is wrong with a users file that holds `text`."""
    with pytest.raises(ConfigError) as refusal:
        parse_users(text.encode(), FILE)
    return [str(fault) for fault in refusal.value.faults]


def test_file_is_read_to_users_by_name() -> None:
    """Every table is a user with a hash and topics."""
    text = f"""
        [users.shop]
        password_hash = "{HASH}"
        topics = ["orders.*", "cities"]
        [users."jürgen m."]
        password_hash = "{HASH}"
        topics = []
    """
    expected = {
        "shop": User("shop", HASH, ("orders.*", "cities")),
        "jürgen m.": User("jürgen m.", HASH, ()),
    }
    assert expected == parse_users(text.encode(), FILE)


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "[users]\n"])
def test_file_without_users_is_right(text: str) -> None:
    """The last user may be removed while a gateway runs."""
    assert {} == parse_users(text.encode(), FILE)


def test_principal_has_the_rights_of_the_user() -> None:
    """Patterns grant what they match and nothing else."""
    principal = User("shop", HASH, ("orders.*", "cities")).principal(None)
    granted = [principal.may_write(topic) for topic in ("orders.eu", "cities", "orders", "citiesx")]
    assert ("shop", [True, True, False, False]) == (principal.name, granted)


def test_hash_is_not_printed() -> None:
    """A user that gets into a log line or a traceback shows no hash."""
    assert HASH not in repr(User("shop", HASH, ()))


def test_every_fault_is_named_at_once() -> None:
    """One report has all of them, and quotes no hash."""
    faults = faults_of(f"""
        [user.shop]
        x = 1
        [users.a]
        password = "hunter2"
        topics = ["orders.*", "or ders", "*.x"]
        [users.b]
        password_hash = "{HASH}!"
        topics = "orders"
        [users."c:d"]
        password_hash = "{HASH}"
        topics = [1]
        [users]
        e = "f"
    """)
    topics = 'topics must be a list of patterns, such as ["orders.*", "cities"], or ["*"] for every topic'
    rule = "1 to 249 characters of a-z A-Z 0-9 . _ - and neither '.' nor '..'"
    assert [
        "users.toml: 'user': there is no such table: expected [users.NAME] for each user",
        "users.toml: user 'a': 'password' is not known; did you mean password_hash?",
        "users.toml: user 'a': password_hash is no Argon2 hash: set it with `twinpost user add --replace`",
        f"users.toml: user 'a': topics: 'or ders' is neither a topic ({rule}) nor a prefix ending in '*'",
        f"users.toml: user 'a': topics: '*.x' is neither a topic ({rule}) nor a prefix ending in '*'",
        "users.toml: user 'b': password_hash is no Argon2 hash: set it with `twinpost user add --replace`",
        f"users.toml: user 'b': {topics}",
        "users.toml: user 'c:d': a user name cannot have a colon or control characters",
        f"users.toml: user 'c:d': {topics}",
        "users.toml: user 'e': expected a table with password_hash and topics",
    ] == faults


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users = 3", "users.toml: users: expected a table [users.NAME] for each user"),
        ("[users.a\n", "users.toml: is not TOML: "),
        pytest.param(f"x = {'1' * 5000}", "users.toml: has a number that is too long, or", id="long"),
        pytest.param(f"x = {'[' * 5000}", "users.toml: has a number that is too long, or", id="deep"),
    ],
)
def test_file_of_another_shape_is_refused(text: str, problem: str) -> None:
    """What is no users file at all is said to be none."""
    (fault,) = faults_of(text)
    assert fault.startswith(problem)


def test_place_of_a_syntax_error_is_named() -> None:
    """Line and column lead to the fault."""
    (fault,) = faults_of("[users.a]\ntopics = [,]\n")
    assert "at line 2, column 11" in fault


def test_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """TOML is UTF-8."""
    file = tmp_path / "users.toml"
    file.write_bytes(b"[users.\xff]\n")
    with pytest.raises(ConfigError, match="is not UTF-8 at byte 7"):
        read_users(file)


def test_missing_file_is_a_fault_with_the_next_step(tmp_path: Path) -> None:
    """It says how users are made."""
    with pytest.raises(ConfigError, match=r"cannot be read: No such file or directory; make one with `twinpost user"):
        read_users(tmp_path / "users.toml")


def test_file_without_users_does_not_start_a_gateway(tmp_path: Path) -> None:
    """A gateway that nobody may call is a mistake of its operator's."""
    file = tmp_path / "users.toml"
    file.touch()
    with pytest.raises(ConfigError, match="has no user, so nobody could call"):
        require_users(file)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "a user name cannot be empty"),
        ("a:b", "a user name cannot have a colon or control characters"),
        ("a\tb", "a user name cannot have a colon or control characters"),
        ("é" * 256, "a user name of 256 characters is over the limit of 255"),
        ("é" * 255, None),
        ("a b.c@d", None),
    ],
)
def test_name_is_one_that_http_basic_carries(name: str, problem: str | None) -> None:
    """RFC 7617 rules out colons and control characters."""
    assert problem == name_problem(name)


def test_quota_is_read() -> None:
    """Both rates are optional, and integers will do."""
    user = parse_users(f'[users.a]\npassword_hash = "{HASH}"\ntopics = []\nrecords_per_s = 5\n'.encode(), FILE)["a"]
    assert Quota(records_per_s=5) == user.quota


@pytest.mark.parametrize(
    "rate", ["0", "-1", "1e16", "inf", "nan", "true", '"5"', "[1]", pytest.param("9" * 400, id="huge")]
)
@pytest.mark.parametrize("name", ["records_per_s", "bytes_per_s"])
def test_rate_that_is_none_is_a_fault(name: str, rate: str) -> None:
    """It is named, with what was expected."""
    faults = faults_of(f'[users.a]\npassword_hash = "{HASH}"\ntopics = []\n{name} = {rate}\n')
    expected = "must be a number above 0, at most 1000000000000000; leave it out for no bound"
    assert [f"{FILE}: user 'a': {name} {expected}"] == faults
