"""The check of credentials that come with a call."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import LogCapture

from tests.gateway.users import User
from tests.unit.security.users_files import quick_hash, write_users
from twinpost_server.config.faults import ConfigError
from twinpost_server.config.settings import AuthSettings
from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.security import authenticator as module
from twinpost_server.security.authenticator import (
    HEADERS_PER_USER_MAX,
    REJECTION_TTL_S,
    VERIFICATIONS_MAX,
    Authenticator,
    open_authenticator,
)
from twinpost_server.security.passwords import verify_password

MYUSER = User("myuser", "mypass")
CLERK = User("jürgen", "Pa:ss wörd")
MYUSER_HASH = quick_hash(MYUSER.password)
CLERK_HASH = quick_hash(CLERK.password)
BOTH = {MYUSER.name: (MYUSER_HASH, ["*"]), CLERK.name: (CLERK_HASH, ["orders.*"])}

DEADLINE_S = 20.0


class Gate:
    """Verifies passwords as the gateway does, counts, and can be shut for a while."""

    def __init__(self) -> None:
        """Start open."""
        self.entered = threading.Semaphore(0)
        self.calls = 0
        self._open = threading.Event()
        self._open.set()

    def verify(self, password_hash: str, password: bytes) -> bool:
        """Verify, once the gate is open."""
        self.calls += 1
        self.entered.release()
        assert self._open.wait(DEADLINE_S)
        return verify_password(password_hash, password)

    def shut(self) -> None:
        """Let verifications begin but not end."""
        self._open.clear()

    def open(self) -> None:
        """Let them end."""
        self._open.set()

    async def wait_entered(self) -> None:
        """Return once a verification has begun."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=DEADLINE_S)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        """Start at zero."""
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    """A users file with `MYUSER` and `CLERK`."""
    file = tmp_path / "users.toml"
    write_users(file, BOTH)
    return file


@pytest.fixture
def gate() -> Iterator[Gate]:
    """What verifies passwords."""
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def clock() -> Clock:
    """The authenticator's clock."""
    return Clock()


@pytest.fixture
async def authenticator(users_file: Path, gate: Gate, clock: Clock) -> AsyncIterator[Authenticator]:
    """An authenticator for the users file."""
    authenticator = Authenticator(users_file, verify_concurrency=2, verify=gate.verify, clock=clock)
    yield authenticator
    gate.open()
    authenticator.close()


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> list[structlog.typing.EventDict]:
    """What the authenticator logs."""
    capture = LogCapture()
    monkeypatch.setattr(module, "_log", structlog.wrap_logger(None, processors=[capture]))
    entries: list[structlog.typing.EventDict] = capture.entries
    return entries


def damage_file(file: Path, content: str | None) -> None:
    """Write `content` into the file, in place; `None` removes the file."""
    if content is None:
        file.unlink()
    else:
        file.write_text(content)


async def reload(authenticator: Authenticator) -> None:
    """Look at the users file as often as it takes for a change to count."""
    for _ in range(2):
        await authenticator.reload()


async def refusal(authenticator: Authenticator, authorization: str | None) -> Reason:
    """Return why the header is refused."""
    with pytest.raises(RequestFailed) as refused:
        await authenticator.authenticate(authorization)
    assert Delivered.NO == refused.value.failure.delivered
    return refused.value.failure.reason


class TestCredentials:
    """Who gets in."""

    @pytest.mark.parametrize("user", [MYUSER, CLERK])
    async def test_right_password_lets_in(self, authenticator: Authenticator, user: User) -> None:
        """The caller is the user, whatever characters name and password have."""
        principal = await authenticator.authenticate(user.authorization)
        assert user.name == principal.name

    async def test_caller_has_the_rights_of_the_user(self, authenticator: Authenticator) -> None:
        """Rights come from the file."""
        principal = await authenticator.authenticate(CLERK.authorization)
        assert [True, False] == [principal.may_write(topic) for topic in ("orders.eu", "cities")]

    @pytest.mark.parametrize(
        "user", [User("myuser", "wrong"), User("myuser", ""), User("nobody", "mypass"), User("", "mypass")]
    )
    async def test_wrong_name_and_wrong_password_are_told_alike(self, authenticator: Authenticator, user: User) -> None:
        """The answer does not tell a stranger which names exist."""
        with pytest.raises(RequestFailed) as refused:
            await authenticator.authenticate(user.authorization)
        expected = "the user name or the password is wrong: send those of a user in the gateway's users file"
        assert (Reason.UNAUTHENTICATED, expected) == (refused.value.failure.reason, refused.value.failure.message)

    async def test_missing_credentials_are_refused(self, authenticator: Authenticator, gate: Gate) -> None:
        """At no cost."""
        assert (Reason.UNAUTHENTICATED, 0) == (await refusal(authenticator, None), gate.calls)

    async def test_unknown_name_costs_what_a_wrong_password_costs(
        self, authenticator: Authenticator, gate: Gate
    ) -> None:
        """The time of the answer does not tell which names exist either."""
        await refusal(authenticator, User("myuser", "wrong").authorization)
        await refusal(authenticator, User("nobody", "wrong").authorization)
        assert 2 == gate.calls

    async def test_unknown_name_costs_what_some_user_costs(self, users_file: Path) -> None:
        """Hashes differ in cost: a name always takes the time of the same one, in every worker, and names differ."""
        verified: list[str] = []

        def verify(password_hash: str, _password: bytes) -> bool:
            verified.append(password_hash)
            return False

        for _ in range(2):
            authenticator = Authenticator(users_file, verify_concurrency=1, verify=verify)
            for number in range(40):
                await refusal(authenticator, User(f"nobody{number % 20}", f"wrong{number}").authorization)
            authenticator.close()
        assert verified[:20] * 4 == verified
        assert {MYUSER_HASH, CLERK_HASH} == set(verified)

    async def test_password_of_another_user_does_not_let_in(self, authenticator: Authenticator) -> None:
        """For an unknown name some user's hash is verified; that it matches must not count."""
        for password in (MYUSER.password, CLERK.password):
            assert Reason.UNAUTHENTICATED == await refusal(authenticator, User("nobody", password).authorization)

    async def test_file_without_users_refuses_everybody(self, users_file: Path) -> None:
        """The last user may be removed."""
        write_users(users_file, {})
        authenticator = Authenticator(users_file, verify_concurrency=1)
        assert Reason.UNAUTHENTICATED == await refusal(authenticator, MYUSER.authorization)
        authenticator.close()


class TestMemory:
    """What is remembered, and for how long."""

    async def test_right_header_is_verified_once(self, authenticator: Authenticator, gate: Gate) -> None:
        """From then on it costs a lookup, with and without waiting."""
        before = authenticator.cached(MYUSER.authorization)
        principal = await authenticator.authenticate(MYUSER.authorization)
        again = await authenticator.authenticate(MYUSER.authorization)
        cached = authenticator.cached(MYUSER.authorization)
        assert (None, principal, principal, 1) == (before, again, cached, gate.calls)

    async def test_equal_headers_at_once_are_verified_once(self, authenticator: Authenticator, gate: Gate) -> None:
        """A client that opens fifty connections costs one hash."""
        callers = await asyncio.gather(*(authenticator.authenticate(MYUSER.authorization) for _ in range(50)))
        assert ({MYUSER.name}, 1) == ({caller.name for caller in callers}, gate.calls)

    async def test_caller_who_leaves_does_not_disturb_the_others(
        self, authenticator: Authenticator, gate: Gate
    ) -> None:
        """The verification they share goes on."""
        gate.shut()
        leaving, staying = (asyncio.create_task(authenticator.authenticate(MYUSER.authorization)) for _ in range(2))
        await gate.wait_entered()
        leaving.cancel()
        await asyncio.wait((leaving,), timeout=DEADLINE_S)
        gate.open()
        assert (True, MYUSER.name) == (leaving.cancelled(), (await staying).name)

    async def test_wrong_header_is_verified_once_within_its_time(
        self, authenticator: Authenticator, gate: Gate, clock: Clock
    ) -> None:
        """Repeating it costs no hash until its time is over."""
        wrong = User("myuser", "wrong").authorization
        for _ in range(100):
            await refusal(authenticator, wrong)
        assert 1 == gate.calls
        clock.now_s += REJECTION_TTL_S
        await refusal(authenticator, wrong)
        assert 2 == gate.calls

    async def test_wrong_headers_are_forgotten_oldest_first(
        self, authenticator: Authenticator, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who invents passwords cannot grow the memory without bound."""
        monkeypatch.setattr(module, "REJECTIONS_MAX", 3)
        wrong = [User("myuser", f"wrong{number}").authorization for number in range(4)]
        for authorization in wrong:
            await refusal(authenticator, authorization)
        for authorization in wrong[1:]:
            await refusal(authenticator, authorization)
        assert 4 == gate.calls
        await refusal(authenticator, wrong[0])
        assert 5 == gate.calls

    async def test_spellings_of_one_user_are_bounded_and_push_out_no_other(self, authenticator: Authenticator) -> None:
        """Each user has room for a few headers of its own."""
        encoded = MYUSER.authorization.removeprefix("Basic ")
        spellings = [f"Basic{' ' * blanks}{encoded}" for blanks in range(1, HEADERS_PER_USER_MAX + 2)]
        await authenticator.authenticate(CLERK.authorization)
        for spelling in spellings:
            await authenticator.authenticate(spelling)
        known = [authenticator.cached(spelling) is not None for spelling in (CLERK.authorization, *spellings)]
        assert [True, False, *[True] * HEADERS_PER_USER_MAX] == known

    async def test_too_many_new_headers_are_told_to_come_back(self, authenticator: Authenticator, gate: Gate) -> None:
        """Past the bound the answer is immediate and says when to return; callers known already get in as ever."""
        known = await authenticator.authenticate(CLERK.authorization)
        gate.shut()
        waiting = [
            asyncio.create_task(authenticator.authenticate(User("myuser", f"wrong{number}").authorization))
            for number in range(VERIFICATIONS_MAX)
        ]
        await gate.wait_entered()
        with pytest.raises(RequestFailed) as refused:
            await authenticator.authenticate(MYUSER.authorization)
        failure = refused.value.failure
        assert (Reason.OVERLOADED, True, 1.0) == (failure.reason, failure.retriable, failure.retry_delay_s)
        assert known is authenticator.cached(CLERK.authorization)
        gate.open()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {RequestFailed} == {type(answer) for answer in answers}
        assert MYUSER.name == (await authenticator.authenticate(MYUSER.authorization)).name

    async def test_verification_leaves_the_loop_free(self, authenticator: Authenticator, gate: Gate) -> None:
        """While a password is hashed, the loop serves others."""
        gate.shut()
        waiting = asyncio.create_task(authenticator.authenticate(MYUSER.authorization))
        await gate.wait_entered()
        assert not waiting.done()
        gate.open()
        assert MYUSER.name == (await waiting).name


class TestReload:
    """What a changed file changes."""

    async def test_removed_user_is_refused_at_once(self, authenticator: Authenticator, users_file: Path) -> None:
        """Nothing is remembered of a user who is gone; the others need not be verified again."""
        for user in (MYUSER, CLERK):
            await authenticator.authenticate(user.authorization)
        write_users(users_file, {CLERK.name: BOTH[CLERK.name]})
        await reload(authenticator)
        assert authenticator.cached(MYUSER.authorization) is None
        assert authenticator.cached(CLERK.authorization) is not None
        assert Reason.UNAUTHENTICATED == await refusal(authenticator, MYUSER.authorization)

    async def test_old_password_is_refused_and_the_new_one_accepted_at_once(
        self, authenticator: Authenticator, users_file: Path
    ) -> None:
        """Neither what was right nor what was wrong before is remembered."""
        new = User(MYUSER.name, "changed")
        await authenticator.authenticate(MYUSER.authorization)
        await refusal(authenticator, new.authorization)
        write_users(users_file, BOTH | {new.name: (quick_hash(new.password), ["*"])})
        await reload(authenticator)
        assert authenticator.cached(MYUSER.authorization) is None
        assert Reason.UNAUTHENTICATED == await refusal(authenticator, MYUSER.authorization)
        assert MYUSER.name == (await authenticator.authenticate(new.authorization)).name

    async def test_new_rights_hold_at_once_and_cost_no_hash(
        self, authenticator: Authenticator, users_file: Path, gate: Gate
    ) -> None:
        """A right that was granted, and remembered as granted, is withdrawn."""
        before = await authenticator.authenticate(MYUSER.authorization)
        assert before.may_write("cities")
        write_users(users_file, BOTH | {MYUSER.name: (MYUSER_HASH, ["greetings"])})
        await reload(authenticator)
        after = authenticator.cached(MYUSER.authorization)
        assert after is not None
        assert [True, False] == [after.may_write(topic) for topic in ("greetings", "cities")]
        assert 1 == gate.calls

    async def test_password_verified_against_an_old_file_does_not_count(
        self, authenticator: Authenticator, users_file: Path, gate: Gate
    ) -> None:
        """The file changes while the old password is being verified: it is refused, and not remembered as right."""
        gate.shut()
        waiting = asyncio.create_task(authenticator.authenticate(MYUSER.authorization))
        await gate.wait_entered()
        write_users(users_file, BOTH | {MYUSER.name: (quick_hash("changed"), ["*"])})
        await reload(authenticator)
        gate.open()
        with pytest.raises(RequestFailed):
            await waiting
        assert authenticator.cached(MYUSER.authorization) is None

    @pytest.mark.parametrize("damage", ["[users", "[users.myuser]\n", None])
    async def test_file_that_cannot_be_used_changes_nothing(
        self,
        authenticator: Authenticator,
        users_file: Path,
        log_lines: list[structlog.typing.EventDict],
        damage: str | None,
    ) -> None:
        """The users stay, known and unknown to memory; the log says so once, not every second."""
        await authenticator.authenticate(MYUSER.authorization)
        damage_file(users_file, damage)
        for _ in range(3):
            await reload(authenticator)
        assert authenticator.cached(MYUSER.authorization) is not None
        assert CLERK.name == (await authenticator.authenticate(CLERK.authorization)).name
        (line,) = log_lines
        assert "error" == line["log_level"]
        assert "users file cannot be used; the users read before stay" == line["event"]

    @pytest.mark.parametrize("cut_off", ["", f'[users.myuser]\npassword_hash = "{MYUSER_HASH}"\ntopics = ["*"]\n'])
    async def test_file_caught_half_written_changes_nothing(
        self, authenticator: Authenticator, users_file: Path, cut_off: str
    ) -> None:
        """An editor may write in place: what is there for a moment is TOML without a fault, and lacks users."""
        await authenticator.authenticate(CLERK.authorization)
        damage_file(users_file, cut_off)
        await authenticator.reload()
        assert authenticator.cached(CLERK.authorization) is not None
        write_users(users_file, BOTH)
        await reload(authenticator)
        assert authenticator.cached(CLERK.authorization) is not None

    async def test_removing_the_last_user_counts(
        self, authenticator: Authenticator, users_file: Path, log_lines: list[structlog.typing.EventDict]
    ) -> None:
        """It may be the one whose password is known to others; the log says what follows."""
        await authenticator.authenticate(MYUSER.authorization)
        write_users(users_file, {})
        await reload(authenticator)
        assert authenticator.cached(MYUSER.authorization) is None
        assert ["warning"] == [line["log_level"] for line in log_lines]

    async def test_mended_file_counts_again(self, authenticator: Authenticator, users_file: Path) -> None:
        """A broken file is no dead end."""
        damage_file(users_file, "[users")
        await reload(authenticator)
        write_users(users_file, {MYUSER.name: (MYUSER_HASH, [])})
        await reload(authenticator)
        assert Reason.UNAUTHENTICATED == await refusal(authenticator, CLERK.authorization)

    async def test_unchanged_file_is_not_taken_over_again(
        self, authenticator: Authenticator, log_lines: list[structlog.typing.EventDict]
    ) -> None:
        """Looking costs no log line."""
        for _ in range(3):
            await reload(authenticator)
        assert [] == log_lines

    async def test_watch_takes_a_swapped_file_over_by_itself(
        self, authenticator: Authenticator, users_file: Path, tmp_path: Path
    ) -> None:
        """Also where the file's path is a link that is led elsewhere, as Kubernetes does."""
        real = tmp_path / "real.toml"
        write_users(real, {MYUSER.name: (MYUSER_HASH, ["*"])})
        link = tmp_path / "link"
        link.symlink_to(real)
        watching = asyncio.create_task(authenticator.watch())
        await authenticator.authenticate(CLERK.authorization)
        link.replace(users_file)
        async with asyncio.timeout(DEADLINE_S):
            while authenticator.cached(CLERK.authorization) is not None:
                await asyncio.sleep(0.01)
        watching.cancel()
        assert Reason.UNAUTHENTICATED == await refusal(authenticator, CLERK.authorization)


class TestOpening:
    """How an authenticator comes to be, and goes."""

    async def test_mode_none_lets_everyone_in(self) -> None:
        """With and without credentials, and with wrong ones."""
        door = open_authenticator(AuthSettings(mode="none"), workers=1)
        principals: list[Principal | None] = [await door.authenticate(None), door.cached("Basic x"), door.cached(None)]
        await door.watch()
        door.close()
        assert [ANONYMOUS] * 3 == principals

    async def test_mode_basic_reads_the_users_file(self, users_file: Path) -> None:
        """With the library's own verification."""
        authenticator = open_authenticator(AuthSettings(users_file=users_file), workers=1)
        assert MYUSER.name == (await authenticator.authenticate(MYUSER.authorization)).name
        authenticator.close()

    @pytest.mark.parametrize("text", [None, "[users", "[users.a]"])
    def test_file_that_cannot_be_used_does_not_open(self, tmp_path: Path, text: str | None) -> None:
        """A worker that would refuse everybody does not start."""
        file = tmp_path / "users.toml"
        if text is not None:
            file.write_text(text)
        with pytest.raises(ConfigError):
            open_authenticator(AuthSettings(users_file=file), workers=1)

    async def test_closing_gives_up_what_waits(self, users_file: Path, gate: Gate) -> None:
        """Callers who still wait are cancelled, and the threads end."""
        authenticator = Authenticator(users_file, verify_concurrency=1, verify=gate.verify)
        gate.shut()
        waiting = asyncio.create_task(authenticator.authenticate(MYUSER.authorization))
        await gate.wait_entered()
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("verify-password")]
        authenticator.close()
        await asyncio.wait((waiting,), timeout=DEADLINE_S)
        gate.open()
        for thread in threads:
            await asyncio.to_thread(thread.join, DEADLINE_S)
        assert (True, []) == (waiting.cancelled(), [thread for thread in threads if thread.is_alive()])


def memory_of(root: object, seen: set[int]) -> Iterator[str | bytes]:
    """Yield every text that `root` holds on to."""
    if id(root) in seen:
        return
    seen.add(id(root))
    if isinstance(root, str | bytes):
        yield root
    elif isinstance(root, dict):
        for key, value in root.items():
            yield from memory_of(key, seen)
            yield from memory_of(value, seen)
    elif isinstance(root, list | tuple | set | frozenset | deque):
        for item in root:
            yield from memory_of(item, seen)
    else:
        yield from memory_of(getattr(root, "__dict__", {}), seen)
        for name in getattr(root, "__slots__", ()):
            yield from memory_of(getattr(root, name, None), seen)


async def test_neither_header_nor_password_is_kept(authenticator: Authenticator) -> None:
    """A dump of the process's memory shows no credentials, right or wrong, once they are checked."""
    secret, wrong = User(MYUSER.name, MYUSER.password), User(MYUSER.name, "wr0ng-passw0rd")
    await authenticator.authenticate(secret.authorization)
    await refusal(authenticator, wrong.authorization)
    await asyncio.sleep(0)
    forbidden = [
        part
        for user in (secret, wrong)
        for part in (user.authorization[6:], user.password, b64encode(user.password.encode()).decode())
    ]
    texts = [text if isinstance(text, str) else text.decode("latin-1") for text in memory_of(authenticator, set())]
    assert "myuser" in texts
    assert [] == [part for part in forbidden for text in texts if part in text]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.none() | st.text())
def test_looking_up_any_header_raises_nothing(authenticator: Authenticator, authorization: str | None) -> None:
    """Also a header that is no text by Unicode's rules."""
    assert authenticator.cached(authorization) is None
