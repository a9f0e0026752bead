"""The guard at the door."""

from __future__ import annotations

import asyncio

import pytest

from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.rpc.guard import CallGuard


class Door:
    """Authenticator and budget in one, which note what they are asked.

    Attributes:
        known: who need not be waited for.
        asked: the questions so far.
        room: raised when asked for room, if set.
    """

    def __init__(self, *known: str | None) -> None:
        """Know these already."""
        self.known = known
        self.asked: list[tuple[str, object]] = []
        self.room: RequestFailed | None = None

    def cached(self, authorization: str | None) -> Principal | None:
        """Return the caller if it is known."""
        self.asked.append(("cached", authorization))
        return ANONYMOUS if authorization in self.known else None

    async def authenticate(self, authorization: str | None) -> Principal:
        """Let in who sends `right`."""
        self.asked.append(("authenticate", authorization))
        if authorization == "slow":
            await asyncio.Event().wait()
        if authorization != "right":
            raise RequestFailed(Failure(reason=Reason.UNAUTHENTICATED, message="no"))
        return ANONYMOUS

    def check_room(self, size_bytes: int) -> None:
        """Have room, or none."""
        self.asked.append(("room", size_bytes))
        if self.room is not None:
            raise self.room


def soon() -> float:
    """Return a deadline that no test waits for."""
    return asyncio.get_running_loop().time() + 5


async def test_known_caller_is_admitted_without_waiting() -> None:
    """One look at the cache, one at the budget."""
    door = Door("right")
    assert ANONYMOUS is await CallGuard(door, door.check_room).admit({"authorization": "right"}, 10, deadline=soon())
    assert [("cached", "right"), ("room", 10)] == door.asked


async def test_unknown_caller_is_authenticated_first() -> None:
    """Who is not let in does not learn of the load."""
    door = Door()
    with pytest.raises(RequestFailed):
        await CallGuard(door, door.check_room).admit({"authorization": "wrong"}, 10, deadline=soon())
    assert [("cached", "wrong"), ("authenticate", "wrong")] == door.asked


async def test_room_is_asked_for_after_the_wait() -> None:
    """A login may take long; what counts is the room there is then."""
    door = Door()
    door.room = RequestFailed(Failure(reason=Reason.OVERLOADED, message="full"))
    with pytest.raises(RequestFailed) as refused:
        await CallGuard(door, door.check_room).admit({"authorization": "right"}, 10, deadline=soon())
    assert Reason.OVERLOADED is refused.value.failure.reason
    assert ("room", 10) == door.asked[-1]


async def test_no_credentials_are_none() -> None:
    """The authenticator decides what that means."""
    door = Door(None)
    assert ANONYMOUS is await CallGuard(door, door.check_room).authenticated({}, deadline=soon())
    assert [("cached", None)] == door.asked


async def test_credentials_in_bytes_are_text_too() -> None:
    """grpc hands binary metadata over as bytes."""
    door = Door("\xff")
    assert ANONYMOUS is await CallGuard(door, door.check_room).authenticated(
        {"authorization": b"\xff"}, deadline=soon()
    )


async def test_deadline_covers_the_look_at_the_credentials() -> None:
    """Many may be verified before."""
    door = Door()
    with pytest.raises(RequestFailed) as refused:
        await CallGuard(door, door.check_room).admit(
            {"authorization": "slow"}, 10, deadline=asyncio.get_running_loop().time() + 0.01
        )
    assert Reason.DEADLINE_EXCEEDED is refused.value.failure.reason
