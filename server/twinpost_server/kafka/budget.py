"""The budget of records in flight: what a worker may hold unacknowledged."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from twinpost_server.core.errors import Failure, Reason, RequestFailed

__all__ = ["Budget"]


class Budget:
    """Counts records and bytes from the moment they are admitted until Kafka has told their fate.

    A caller who leaves, or whose deadline passes, frees nothing: the records are still held by the producer, so that
    the memory a worker uses is bounded by the budget and not by the patience of its callers. Lives on the loop's
    thread.

    Attributes:
        records: records held now.
        size_bytes: their bytes.
    """

    __slots__ = ("_queue", "_records_max", "_size_bytes_max", "records", "size_bytes")

    def __init__(self, *, records_max: int, size_bytes_max: int) -> None:
        """Hold at most `records_max` records and `size_bytes_max` bytes."""
        self._records_max = records_max
        self._size_bytes_max = size_bytes_max
        self._queue: OrderedDict[asyncio.Future[None], tuple[int, int]] = OrderedDict()
        self.records = 0
        self.size_bytes = 0

    def acquire(self, records: int, size_bytes: int) -> None:
        """Take room for `records` records of `size_bytes` bytes together.

        Raises:
            RequestFailed: OVERLOADED, or REQUEST_TOO_LARGE for what could never fit; nothing was taken.
        """
        self._check_possible(records, size_bytes)
        if not self._fits(records, size_bytes):
            raise RequestFailed(self._refusal())
        self.records += records
        self.size_bytes += size_bytes

    async def acquire_in_turn(self, records: int, size_bytes: int, *, deadline: float) -> None:
        """Take room as `acquire` does, but wait for it until `deadline` (on the loop's clock), first come first served.

        Callers of `acquire` do not queue: while they take what comes free in small pieces, a large piece may be waited
        for in vain.

        Raises:
            RequestFailed: OVERLOADED: there was no room in time; REQUEST_TOO_LARGE: there never will be. Nothing was
            taken.
        """
        self._check_possible(records, size_bytes)
        if not self._queue and self._fits(records, size_bytes):
            self.acquire(records, size_bytes)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[turn] = (records, size_bytes)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as error:
            if self._queue.pop(turn, None) is None:
                # The turn came just as the caller gave up: the room is taken already.
                self.release(records, size_bytes)
            else:
                # Those behind may have waited only because this one did not fit.
                self._let_in()
            if isinstance(error, TimeoutError):
                raise RequestFailed(self._refusal()) from None
            raise

    def check_room(self, size_bytes: int) -> None:
        """Return if a request of `size_bytes` would be admitted now; takes nothing.

        Raises:
            RequestFailed: OVERLOADED.
        """
        # What could never fit is not told to wait: `acquire`, which knows the exact size, has the right word for it.
        if not self._fits(1, min(size_bytes, self._size_bytes_max)):
            raise RequestFailed(self._refusal())

    def release(self, records: int, size_bytes: int) -> None:
        """Give back what `acquire` took, and let in who waits for it."""
        self.records -= records
        self.size_bytes -= size_bytes
        self._let_in()

    def _let_in(self) -> None:
        while self._queue:
            turn, wanted = next(iter(self._queue.items()))
            if not self._fits(*wanted):
                return
            del self._queue[turn]
            self.acquire(*wanted)
            # One that was cancelled, and has not cleaned up yet, will find its turn gone and give the room back.
            if not turn.done():
                turn.set_result(None)

    def _check_possible(self, records: int, size_bytes: int) -> None:
        if records > self._records_max or size_bytes > self._size_bytes_max:
            raise RequestFailed(
                Failure(
                    reason=Reason.REQUEST_TOO_LARGE,
                    message=(
                        f"the request takes {size_bytes} bytes while it is held, overhead of {records} records and "
                        f"their headers included, more than the gateway may hold at all ({self._size_bytes_max} bytes, "
                        f"{self._records_max} records): split it; nothing was written"
                    ),
                )
            )

    def _fits(self, records: int, size_bytes: int) -> bool:
        return self.records + records <= self._records_max and self.size_bytes + size_bytes <= self._size_bytes_max

    def _refusal(self) -> Failure:
        return Failure(
            reason=Reason.OVERLOADED,
            message=(
                f"the gateway holds {self.records} records of {self.size_bytes} bytes unacknowledged, of at most "
                f"{self._records_max} and {self._size_bytes_max}, and cannot take this request on top: send it again "
                "after the delay; nothing was written"
            ),
        )
