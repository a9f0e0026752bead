"""The check of credentials that come with a call.

A password is hashed slowly on purpose. So a header that was right once is remembered, under a keyed hash of itself, and
the calls that follow cost one lookup; neither headers nor passwords are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from twinpost_server.config.faults import ConfigError, Fault
from twinpost_server.config.settings import AuthSettings
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.core.quota import QuotaMeter
from twinpost_server.security import basic
from twinpost_server.security.passwords import verify_password
from twinpost_server.security.polled_file import PolledFile
from twinpost_server.security.users import User, Users, parse_users

__all__ = [
    "HEADERS_PER_USER_MAX",
    "REJECTIONS_MAX",
    "REJECTION_TTL_S",
    "VERIFICATIONS_MAX",
    "Authenticator",
    "OpenDoor",
    "open_authenticator",
]

VERIFICATIONS_MAX: Final = 64
"""Most headers being verified or waiting for it; past it callers with a new header are told to come back."""

REJECTION_TTL_S: Final = 10.0
"""How long a wrong header is turned away from memory, so that its repetition costs no hashing."""

REJECTIONS_MAX: Final = 10_000
"""Most wrong headers remembered."""

HEADERS_PER_USER_MAX: Final = 4
"""Most right headers remembered per user: there is more than one way to write the same credentials."""

_POLL_INTERVAL_S: Final = 1.0
_DIGEST_BYTES: Final = 16

_log = structlog.get_logger(__name__)


class OpenDoor:
    """Lets everyone in as `core.principal.ANONYMOUS`: what `auth.mode = "none"` asks for."""

    def cached(self, authorization: str | None) -> Principal | None:  # noqa: ARG002 - a door without a lock
        """Return ANONYMOUS, whatever came."""
        return ANONYMOUS

    async def authenticate(self, authorization: str | None) -> Principal:  # noqa: ARG002 - as above
        """Return ANONYMOUS, whatever came."""
        return ANONYMOUS

    async def watch(self) -> None:
        """Return at once: there is nothing to watch."""

    def close(self) -> None:
        """Do nothing: nothing is held."""


class _Account:
    """A user, and the headers known to be right for it."""

    __slots__ = ("headers", "meter", "principal", "user")

    def __init__(self, user: User, headers: deque[bytes], meter: QuotaMeter | None) -> None:
        self.user = user
        self.meter = meter
        self.principal = user.principal(meter)
        self.headers = headers


class Authenticator:
    """Checks HTTP Basic credentials against the users file. Lives on the loop's thread.

    Everything it remembers is bounded: headers by the number of users, rejections and verifications by constants.
    """

    def __init__(
        self,
        users_file: Path,
        *,
        verify_concurrency: int,
        workers: int = 1,
        verify: Callable[[str, bytes], bool] = verify_password,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the users file.

        Args:
            users_file: the file, read again by `watch`.
            verify_concurrency: how many passwords are hashed at once, each on a thread of its own.
            workers: how many workers share a user's quota.
            verify: hashes a password and compares, on one of those threads.
            clock: seconds that only grow.

        Raises:
            ConfigError: the file cannot be read or understood.
        """
        self._path = users_file
        self._file = PolledFile(users_file)
        self._verify_password = verify
        self._clock = clock
        self._workers = workers
        self._executor = ThreadPoolExecutor(verify_concurrency, thread_name_prefix="verify-password")
        self._hash = hashlib.blake2b(key=secrets.token_bytes(), digest_size=_DIGEST_BYTES)
        self._accounts: dict[str, _Account] = {}
        self._decoys: list[str] = []
        self._decoy_key = b""
        self._accepted: dict[bytes, Principal] = {}
        self._rejected: OrderedDict[bytes, float] = OrderedDict()
        self._verifying: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._reloading = asyncio.Lock()
        self._complaint: tuple[Fault, ...] = ()
        self._adopt(self._read_if_changed() or {})

    def cached(self, authorization: str | None) -> Principal | None:
        """Return the caller if this header is known to be right, else `None`, which says nothing yet."""
        return None if authorization is None else self._accepted.get(self._digest(authorization))

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller.

        A wrong name takes as long as a wrong password. Equal headers that come at once are verified once; a caller who
        leaves does not disturb the others.

        Raises:
            RequestFailed: UNAUTHENTICATED, or OVERLOADED where too many headers wait to be verified.
        """
        credentials = basic.parse(authorization)
        digest = self._digest(authorization or "")
        principal = self._accepted.get(digest)
        if principal is None and not self._is_rejected(digest):
            principal = await asyncio.shield(self._verification(digest, credentials))
        if principal is None:
            raise basic.unauthenticated(
                why="the user name or the password is wrong: send those of a user in the gateway's users file"
            )
        return principal

    async def reload(self) -> None:
        """Take over the users file if it has changed, as the second call to see the change.

        A file that cannot be used changes nothing but the log.
        """
        async with self._reloading:
            try:
                users = await asyncio.to_thread(self._read_if_changed)
            except ConfigError as error:
                self._complain(error.faults)
                return
            self._complaint = ()
            if users is not None:
                self._adopt(users)
                if users:
                    _log.info("users file read", users=len(users))
                else:
                    _log.warning("users file read: it has no user, so nobody can call any more")

    async def watch(self) -> None:
        """Reload for ever, every second; cancel it to end."""
        while True:
            await asyncio.sleep(_POLL_INTERVAL_S)
            await self.reload()

    def close(self) -> None:
        """Give up the verifications under way and their threads."""
        for task in self._verifying.values():
            task.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _digest(self, authorization: str) -> bytes:
        keyed = self._hash.copy()
        keyed.update(authorization.encode("utf-8", "surrogatepass"))
        return keyed.digest()

    def _verification(self, digest: bytes, credentials: basic.Credentials) -> asyncio.Task[Principal | None]:
        task = self._verifying.get(digest)
        if task is None:
            if len(self._verifying) >= VERIFICATIONS_MAX:
                message = (
                    f"{VERIFICATIONS_MAX} callers with new credentials are being verified already: wait, then send the "
                    "request again; nothing was written"
                )
                raise RequestFailed(Failure(reason=Reason.OVERLOADED, message=message))
            task = self._verifying[digest] = asyncio.create_task(self._verify(digest, credentials))
            task.add_done_callback(lambda _: self._verifying.pop(digest))
        return task

    async def _verify(self, digest: bytes, credentials: basic.Credentials) -> Principal | None:
        name = credentials.name
        while True:
            password_hash = self._password_hash(name)
            # For an unknown name the hash of another user is verified, only to take the time.
            work = password_hash or self._decoy(name)
            matches = work is not None and await asyncio.get_running_loop().run_in_executor(
                self._executor, self._verify_password, work, credentials.password
            )
            # The file may have been reloaded meanwhile. What was verified against a hash that no longer counts must not
            # be remembered: `_adopt` has run already and would not take it out again.
            if password_hash == self._password_hash(name):
                break
        if password_hash is None or not matches:
            self._reject(digest)
            return None
        return self._accept(digest, self._accounts[name])

    def _password_hash(self, name: str) -> str | None:
        account = self._accounts.get(name)
        return None if account is None else account.user.password_hash

    def _decoy(self, name: str) -> str | None:
        """Return some user's hash: always the same for a name, for hashes differ in what they cost, and names in which.

        One hash for all unknown names would tell them from users with a cheaper or a dearer one; so would one that
        changes from call to call, or from worker to worker.
        """
        if not self._decoys:
            return None
        encoded = name.encode("utf-8", "surrogatepass")
        keyed = hashlib.blake2b(encoded, key=self._decoy_key, digest_size=_DIGEST_BYTES)
        return self._decoys[int.from_bytes(keyed.digest()) % len(self._decoys)]

    def _accept(self, digest: bytes, account: _Account) -> Principal:
        # Bounded per user: who varies the spelling of a header pushes out nobody else's.
        if len(account.headers) == HEADERS_PER_USER_MAX:
            del self._accepted[account.headers.popleft()]
        account.headers.append(digest)
        self._accepted[digest] = account.principal
        return account.principal

    def _reject(self, digest: bytes) -> None:
        self._rejected[digest] = self._clock() + REJECTION_TTL_S
        self._rejected.move_to_end(digest)
        if len(self._rejected) > REJECTIONS_MAX:
            self._rejected.popitem(last=False)

    def _is_rejected(self, digest: bytes) -> bool:
        expires_at = self._rejected.get(digest)
        return expires_at is not None and self._clock() < expires_at

    def _read_if_changed(self) -> Users | None:
        try:
            content = self._file.changed()
        except OSError as error:
            problem = f"cannot be read: {error.strerror}; make users with `twinpost user add`"
            raise ConfigError(Fault(str(self._path), problem)) from error
        return None if content is None else parse_users(content, self._path)

    def _adopt(self, users: Users) -> None:
        """Replace the users; what is remembered of unchanged ones stays, so that a reload costs no new hashing."""
        before = self._accounts
        self._accounts = {name: self._account(user, before.get(name)) for name, user in users.items()}
        self._accepted = {
            digest: account.principal for account in self._accounts.values() for digest in account.headers
        }
        self._rejected.clear()
        self._decoys = [user.password_hash for user in users.values()]
        # What every worker knows, and nobody else.
        self._decoy_key = hashlib.blake2b("".join(self._decoys).encode()).digest()

    def _account(self, user: User, before: _Account | None) -> _Account:
        if before is not None and before.user == user:
            return before
        quota = user.quota.shared_by(self._workers)
        meter = QuotaMeter(quota, self._clock) if quota else None
        headers: deque[bytes] = deque()
        if before is not None and before.user.quota == user.quota:
            # A new meter would give a second's worth away at every change of the file.
            meter = before.meter
        if before is not None and before.user.password_hash == user.password_hash:
            headers = before.headers
        return _Account(user, headers, meter)

    def _complain(self, faults: tuple[Fault, ...]) -> None:
        if faults != self._complaint:
            self._complaint = faults
            _log.error("users file cannot be used; the users read before stay", faults=[str(fault) for fault in faults])


def open_authenticator(settings: AuthSettings, *, workers: int) -> Authenticator | OpenDoor:
    """Return what checks credentials as `settings` say, in one of `workers` workers; reads the users file.

    Raises:
        ConfigError: the users file cannot be read or understood.
    """
    if settings.users_file is None:
        return OpenDoor()
    return Authenticator(settings.users_file, verify_concurrency=settings.verify_concurrency, workers=workers)
