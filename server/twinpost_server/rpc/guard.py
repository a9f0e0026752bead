"""The guard at the door: decides from a call's metadata and size alone, before anything is decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.principal import Principal

__all__ = ["Authenticator", "CallGuard"]


class Authenticator(Protocol):
    """Tells who calls; `security` has the implementations."""

    def cached(self, authorization: str | None) -> Principal | None:
        """Return the caller if these credentials are already known to be right, without waiting."""
        ...

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller, or raise RequestFailed with UNAUTHENTICATED."""
        ...


class CallGuard:
    """Lets a call in: credentials first, then room. Called by every method, instead of an interceptor per concern.

    A chain of grpc.aio interceptors would wrap each call in as many coroutines; one function does the same work.
    """

    def __init__(self, authenticator: Authenticator, check_room: Callable[[int], None]) -> None:
        """Ask `authenticator` who calls, and `check_room(request_bytes)` to refuse what there is no room for."""
        self._authenticator = authenticator
        self._check_room = check_room

    async def admit(self, metadata: Mapping[str, str | bytes], request_bytes: int, *, deadline: float) -> Principal:
        """Return the caller.

        Args:
            metadata: the call's metadata, lower-case names.
            request_bytes: the size of the request as it came.
            deadline: for the look at the credentials, on the running loop's clock.

        Raises:
            RequestFailed: UNAUTHENTICATED, OVERLOADED or DEADLINE_EXCEEDED; nothing was decoded.
        """
        principal = await self.authenticated(metadata, deadline=deadline)
        self._check_room(request_bytes)
        return principal

    async def authenticated(self, metadata: Mapping[str, str | bytes], *, deadline: float) -> Principal:
        """Return the caller, whatever room there is: a stream waits for it.

        Raises:
            RequestFailed: UNAUTHENTICATED, OVERLOADED or DEADLINE_EXCEEDED.
        """
        authorization = metadata.get("authorization")
        if isinstance(authorization, bytes):
            authorization = authorization.decode("latin-1")
        principal = self._authenticator.cached(authorization)
        if principal is None:
            try:
                # Others with new credentials may have to be verified before.
                async with asyncio.timeout_at(deadline):
                    principal = await self._authenticator.authenticate(authorization)
            except TimeoutError:
                raise RequestFailed(_NOT_VERIFIED) from None
        return principal


_NOT_VERIFIED: Final = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message="the deadline passed before the credentials were verified: send again; nothing was written",
)
