"""The order of a stream whose batches go through more than one producer."""

from __future__ import annotations

import asyncio

from twinpost_server.core.errors import Failure, Reason, RequestFailed

__all__ = ["StreamOrder"]


class StreamOrder:
    """Knows which way the batches of a stream go, and what is still on that way.

    A producer keeps the order of what it is given, and nothing keeps it between two. A stream changes from one to
    the other where a step touches a topic whose records are sent alone: what went the first way must be settled then.
    Lives on the loop's thread.

    Attributes:
        alone: whether what is in flight was last handed to the producer that sends each record alone.
    """

    __slots__ = ("_idle", "_in_flight", "alone")

    def __init__(self) -> None:
        """Begin with nothing in flight."""
        self.alone = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def handed_over(self) -> None:
        """Note a delivery of the stream."""
        self._in_flight += 1
        self._idle.clear()

    def settled(self) -> None:
        """Note that every record of one of the deliveries is told; a deadline that passes settles nothing."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    async def change(self, *, alone: bool, deadline: float) -> None:
        """Return once nothing is in flight, after which the stream may go the other way.

        Raises:
            RequestFailed: DEADLINE_EXCEEDED: something still was at `deadline`, on the running loop's clock.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._idle.wait()
        except TimeoutError:
            raise RequestFailed(_NOT_IN_TURN) from None
        self.alone = alone


_NOT_IN_TURN = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message=(
        "the deadline passed before earlier records of the stream were stored, which these must not overtake: "
        "send them again; nothing was written"
    ),
)
