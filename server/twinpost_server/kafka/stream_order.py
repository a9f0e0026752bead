"""The order of a stream whose batches go through more than one producer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Set as AbstractSet

from twinpost_server.core.errors import Failure, Reason, RequestFailed

__all__ = ["StreamOrder"]


class StreamOrder:
    """Knows which way the records of each topic went that are still in flight.

    A producer keeps the order of what it is given, and nothing keeps it between two. The records of a topic change from
    one to the other where a step touches a topic whose records are sent alone, or where a record is tried again alone:
    what went the first way must be settled then. Lives on the loop's thread.
    """

    __slots__ = ("_in_flight", "_progress")

    def __init__(self) -> None:
        """Begin with nothing in flight."""
        self._in_flight: Counter[tuple[str, bool]] = Counter()
        self._progress = asyncio.Event()

    def handed_over(self, topics: AbstractSet[str], *, alone: bool) -> None:
        """Note a delivery with records of `topics`: `alone`, or by the producer that gathers."""
        for topic in topics:
            self._in_flight[topic, alone] += 1

    def settled(self, topics: AbstractSet[str], *, alone: bool) -> None:
        """Note that every record of such a delivery is told; a deadline that passes settles nothing."""
        for topic in topics:
            self._in_flight[topic, alone] -= 1
            if not self._in_flight[topic, alone]:
                del self._in_flight[topic, alone]
        self._progress.set()

    def is_open(self, topics: AbstractSet[str], *, alone: bool) -> bool:
        """Return whether records of `topics` may go that way now: none is in flight on the other one."""
        return not any((topic, not alone) in self._in_flight for topic in topics)

    async def progress(self, *, deadline: float) -> None:
        """Return once a delivery is settled; for one waiter at a time.

        Raises:
            RequestFailed: DEADLINE_EXCEEDED: none was until `deadline`, on the running loop's clock.
        """
        self._progress.clear()
        try:
            async with asyncio.timeout_at(deadline):
                await self._progress.wait()
        except TimeoutError:
            raise RequestFailed(_NOT_IN_TURN) from None


_NOT_IN_TURN = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message=(
        "the deadline passed before earlier records of the stream were stored, which these must not overtake: "
        "send them again; nothing was written"
    ),
)
