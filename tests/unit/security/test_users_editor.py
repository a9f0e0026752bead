"""The editor of the users file."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.security.users_files import quick_hash
from twinpost_server.config.faults import ConfigError
from twinpost_server.security import users_editor
from twinpost_server.security.users import User, read_users
from twinpost_server.security.users_editor import (
    EditError,
    UnknownUserError,
    UserExistsError,
    put_user,
    remove_user,
    require_absent,
)

HASH = quick_hash("mypass")
OTHER = quick_hash("other")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where there is no users file yet."""
    return tmp_path / "users.toml"


def add(file: Path, name: str, topics: tuple[str, ...] | None = ("cities",)) -> User:
    """Add a user."""
    return put_user(file, name, password_hash=HASH, topics=topics)


def mode(file: Path) -> int:
    """Return the permissions of `file`."""
    return stat.S_IMODE(file.stat().st_mode)


def test_first_user_makes_a_file_for_its_owner_alone(file: Path) -> None:
    """Hashes are nobody else's business, whatever the umask is."""
    before = os.umask(0)
    try:
        add(file, "shop")
    finally:
        os.umask(before)
    assert (0o600, {"shop": User("shop", HASH, ("cities",))}) == (mode(file), read_users(file))


def test_new_user_may_write_every_topic_unless_told_otherwise(file: Path) -> None:
    """No topics means all, for a new user."""
    assert ("*",) == add(file, "shop", topics=None).topics


def test_user_there_is_stays_as_it_is(file: Path) -> None:
    """Adding a second one of the same name is an error."""
    add(file, "shop")
    with pytest.raises(UserExistsError, match=r"'shop' exists already in .*; give --replace to change it"):
        put_user(file, "shop", password_hash=OTHER, topics=None)
    assert {"shop": User("shop", HASH, ("cities",))} == read_users(file)


@pytest.mark.parametrize(
    ("password_hash", "topics", "expected"),
    [
        (OTHER, ("a", "b*"), User("shop", OTHER, ("a", "b*"))),
        (OTHER, None, User("shop", OTHER, ("cities",))),
        (None, ("a",), User("shop", HASH, ("a",))),
    ],
)
def test_replacing_changes_what_is_given(
    file: Path, password_hash: str | None, topics: tuple[str, ...] | None, expected: User
) -> None:
    """Topics stay where only the password is given, and the other way round."""
    add(file, "shop")
    assert expected == put_user(file, "shop", password_hash=password_hash, topics=topics, replace=True)
    assert {"shop": expected} == read_users(file)


def test_replacing_nobody_adds(file: Path) -> None:
    """A script need not know whether the user is there already."""
    put_user(file, "shop", password_hash=HASH, topics=("a",), replace=True)
    assert {"shop"} == read_users(file).keys()


def test_user_without_a_password_is_not_added(file: Path) -> None:
    """Topics alone can only be changed of a user there is."""
    add(file, "shop")
    with pytest.raises(UnknownUserError, match="no user 'clerk'"):
        put_user(file, "clerk", password_hash=None, topics=("a",), replace=True)


def test_removed_user_is_gone(file: Path) -> None:
    """And the others stay."""
    for name in ("a", "b", "c"):
        add(file, name)
    remove_user(file, "b")
    assert {"a", "c"} == read_users(file).keys()


def test_unknown_user_cannot_be_removed(file: Path) -> None:
    """A mistyped name is said to be one."""
    add(file, "shop")
    with pytest.raises(UnknownUserError, match="there is no user 'shpo'"):
        remove_user(file, "shpo")


def test_absence_is_told_before_an_edit(file: Path) -> None:
    """Without a file nobody is there yet; with one, who is there is."""
    require_absent(file, "shop")
    add(file, "shop")
    require_absent(file, "clerk")
    with pytest.raises(UserExistsError):
        require_absent(file, "shop")


def test_comments_and_order_stay(file: Path) -> None:
    """What people wrote into the file is theirs."""
    text = f"""# Who may call.
[users.a]  # the first
password_hash = "{HASH}"  # from Anna
topics = [
    "a",  # for now
]

# The second one
[users.b]
password_hash = "{HASH}"
topics = ["b"]
# The end
"""
    file.write_text(text)
    put_user(file, "a", password_hash=OTHER, topics=None, replace=True)
    assert text.replace(HASH, OTHER, 1) == file.read_text()
    put_user(file, "b", password_hash=None, topics=("x",), replace=True)
    assert text.replace(HASH, OTHER, 1).replace('["b"]', '["x"]') == file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        f"[users]\na = {{password_hash = '{HASH}', topics = []}}\n",
        f"users = {{a = {{password_hash = '{HASH}', topics = []}}}}\n",
        f"[users.a]\r\npassword_hash = '{HASH}'\r\ntopics = []\r\n",
        f"[users.a]\npassword_hash = '{HASH}'\ntopics = []",
        f"[users]\n[users.a]\npassword_hash = '{HASH}'\ntopics = []",
    ],
)
def test_every_notation_is_edited(file: Path, text: str) -> None:
    """Inline tables, other ends of lines and a missing last one are no hindrance."""
    file.write_bytes(text.encode())
    add(file, "b")
    add(file, "c.d")
    remove_user(file, "a")
    assert {"b", "c.d"} == read_users(file).keys()


def test_notation_beyond_the_editor_is_left_alone(file: Path) -> None:
    """What would not read back as meant is not written."""
    text = f"users.a.topics = []\nusers.a.password_hash = '{HASH}'\n"
    file.write_text(text)
    with pytest.raises(EditError, match="beyond this command"):
        add(file, "b")
    assert text == file.read_text()


def test_file_with_faults_is_left_alone(file: Path) -> None:
    """A file that cannot be understood is not edited."""
    file.write_text("[users.a]\n")
    with pytest.raises(ConfigError):
        add(file, "b")
    assert "[users.a]\n" == file.read_text()


def test_link_stays_and_its_file_is_replaced(tmp_path: Path, file: Path) -> None:
    """A symbolic link goes on leading to the file that all its readers know."""
    real = tmp_path / "elsewhere" / "real.toml"
    real.parent.mkdir()
    file.symlink_to(real)
    add(file, "shop")
    assert file.is_symlink()
    assert {"shop"} == read_users(real).keys()
    assert [real] == list(real.parent.iterdir())


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    """Not a hang, nor a traceback."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises((EditError, ConfigError)):
        remove_user(tmp_path / "a", "shop")


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o640), (0o640, 0o640), (0o600, 0o600), (0o400, 0o600)])
def test_group_may_go_on_reading_and_others_may_not(file: Path, before: int, after: int) -> None:
    """The gateway may run as the file's group; hashes are never for everyone."""
    add(file, "shop")
    file.chmod(before)
    # Root may write what it may not by permissions; others are refused, which is as well.
    if before & 0o200 or os.geteuid() == 0:
        add(file, "clerk")
        assert after == mode(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_file_keeps_its_owner(file: Path) -> None:
    """The gateway's user can read the file after root has edited it."""
    add(file, "shop")
    os.chown(file, 12345, 54321)
    add(file, "clerk")
    status = file.stat()
    assert (12345, 54321) == (status.st_uid, status.st_gid)


def test_missing_directory_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Directories are not made on the way."""
    with pytest.raises(EditError, match=r"nowhere/users\.toml was not changed: No such file or directory"):
        add(tmp_path / "nowhere" / "users.toml", "shop")


def test_nothing_else_is_left_in_the_directory(tmp_path: Path, file: Path) -> None:
    """Neither temporary nor lock files."""
    add(file, "shop")
    with pytest.raises(UserExistsError):
        add(file, "shop")
    remove_user(file, "shop")
    assert [file] == list(tmp_path.iterdir())


def test_edits_at_once_lose_nothing_and_readers_see_whole_files(file: Path) -> None:
    """Forty edits by eight at once are all there, and the file can be understood at every moment between."""
    names = [f"user{number}" for number in range(40)]
    add(file, "first")
    done = threading.Event()
    seen = []

    def read() -> None:
        while not done.is_set():
            seen.append(len(read_users(file)))

    with ThreadPoolExecutor(9) as pool:
        reading = pool.submit(read)
        try:
            edits = [pool.submit(add, file, name) for name in names]
            for edit in edits:
                edit.result(30)
        finally:
            # Else the pool would wait for the reader for ever.
            done.set()
        reading.result(30)
    assert {"first", *names} == read_users(file).keys()
    assert sorted(seen) == seen
    assert seen[0] >= 1


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock on `file`, as another edit does."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_edit_waits_for_another_one_and_works_on_what_it_left(file: Path) -> None:
    """The lock was waited for on a file that has been replaced meanwhile: the edit starts over with the new one."""
    add(file, "first")
    with ThreadPoolExecutor(1) as pool:
        with held(file):
            waiting = pool.submit(add, file, "second")
            other = file.with_name("other")
            other.write_text(f"[users.other]\npassword_hash = '{HASH}'\ntopics = []\n")
            other.replace(file)
        waiting.result(30)
    assert {"other", "second"} == read_users(file).keys()


def test_file_that_is_removed_while_an_edit_waits_is_made_anew(file: Path) -> None:
    """Nothing of the removed one comes back."""
    add(file, "first")
    with ThreadPoolExecutor(1) as pool:
        with held(file):
            waiting = pool.submit(add, file, "second")
            file.unlink()
        waiting.result(30)
    assert {"second"} == read_users(file).keys()


def test_disk_that_is_full_leaves_the_file_as_it_was(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing beside it."""
    add(file, "first")

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(EditError, match="was not changed: No space left on device"):
        add(file, "second")
    assert ({"first"}, [file]) == (set(read_users(file)), list(tmp_path.iterdir()))


def test_edit_gives_up_on_a_lock_that_is_never_free(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that was stopped in the middle does not hang all others."""
    monkeypatch.setattr(users_editor, "_LOCK_TIMEOUT_S", 0.05)
    add(file, "first")
    with held(file), pytest.raises(EditError, match="another edit holds it"):
        add(file, "second")


NAMES = st.text(st.characters(exclude_characters=":", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255)
TOPICS = st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,20}(\.\*)?|\*", fullmatch=True), max_size=4).map(tuple)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(NAMES, TOPICS), max_size=4, unique_by=lambda user: user[0]), st.data())
def test_what_was_put_is_read_back(users: list[tuple[str, tuple[str, ...]]], data: st.DataObject) -> None:
    """Every name and every right survives the file, and so does what is left after a removal."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "users.toml"
        file.touch()
        for name, topics in users:
            add(file, name, topics)
        expected = {name: User(name, HASH, topics) for name, topics in users}
        assert expected == read_users(file)
        for name in data.draw(st.sets(st.sampled_from(sorted(expected))) if expected else st.just(set())):
            remove_user(file, name)
            del expected[name]
        assert expected == read_users(file)
