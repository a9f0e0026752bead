"""The pipeline of one stream: steps go in as fast as there is room, answers come out in order.

One task reads and hands over; the call's own task waits for the oldest step and answers. The places between them are
what bounds a stream: while none is free nothing is read, HTTP/2's window fills, and the caller is slowed down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from twinpost_server.app.produce_stream import ProduceStream
from twinpost_server.core.errors import Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.ports import PendingWrite
from twinpost_server.rpc.codec import decode_step, encode_step
from twinpost_server.rpc.guard import CallGuard

__all__ = ["StepPipeline"]

_STEPS_MAX: Final = 256
"""Steps of one stream in flight: at a few milliseconds each, enough to keep a broker busy."""

_Item = tuple[int, PendingWrite | list[Outcome]] | BaseException | None


class StepPipeline:
    """Runs one stream. Lives on the loop's thread."""

    def __init__(
        self,
        stream: ProduceStream,
        guard: CallGuard,
        metadata: Mapping[str, str | bytes],
        limits: Limits,
        request_timeout_s: float,
    ) -> None:
        """Hand the steps to `stream`.

        Args:
            stream: the use-case.
            guard: asked for every step, so that a right or password that is withdrawn ends the stream.
            metadata: the call's.
            limits: what a step may hold.
            request_timeout_s: how long each step may take, from when it was read.
        """
        self._stream = stream
        self._guard = guard
        self._metadata = metadata
        self._limits = limits
        self._request_timeout_s = request_timeout_s
        self._places = asyncio.Semaphore(_STEPS_MAX)
        self._items: asyncio.Queue[_Item] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        self._end: Failure | None = None

    async def answers(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the answer to each of `requests`, in order.

        Raises:
            RequestFailed: the stream must end, every step that was handed over being answered: credentials withdrawn, a
                message that cannot be decoded, or an end that was asked for.
        """
        if self._end is not None:
            raise RequestFailed(self._end)
        self._reader = asyncio.create_task(self._read(requests))
        # One that is cancelled before its first step, and so never gets to say that it ended.
        self._reader.add_done_callback(self._unread)
        try:
            while (item := await self._items.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                sequence, pending = item
                outcomes = pending if isinstance(pending, list) else await pending.outcomes()
                self._places.release()
                yield encode_step(sequence, outcomes)
        finally:
            self._reader.cancel()

    def drain(self) -> None:
        """Read no further, since the worker is stopping; the stream ends once what was handed over is answered."""
        self._end_with(_DRAINED)

    def retire(self) -> None:
        """Read no further, since the stream is old; it ends as for `drain`."""
        self._end_with(_AGED)

    def _end_with(self, end: Failure) -> None:
        self._end = end
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        end: BaseException | None = None
        try:
            async for data in requests:
                # The place comes first: from handing over to `put_nowait` nothing waits, so that a cancelled reader
                # never leaves a step behind that was handed over and has nobody to answer it.
                await self._places.acquire()
                self._items.put_nowait(await self._handed_over(data))
        except asyncio.CancelledError:
            # Asked for; or the call is over, and nobody waits for the end.
            end = RequestFailed(self._end or _DRAINED)
        except BaseException as error:  # noqa: BLE001 - raised again where the call ends
            end = error
        self._items.put_nowait(end)

    def _unread(self, reader: asyncio.Task[None]) -> None:
        if reader.cancelled():
            self._items.put_nowait(RequestFailed(self._end or _DRAINED))

    async def _handed_over(self, data: bytes) -> tuple[int, PendingWrite | list[Outcome]]:
        deadline = asyncio.get_running_loop().time() + self._request_timeout_s
        principal = await self._guard.authenticated(self._metadata, deadline=deadline)
        sequence, records, refused = decode_step(data, self._limits)
        if refused:
            return sequence, refused
        return sequence, await self._stream.step(principal, records, deadline=deadline)


_DRAINED: Final = Failure(
    reason=Reason.SHUTTING_DOWN,
    message=(
        "the gateway is stopping: connect again and go on after the last sequence answered; no later one was written"
    ),
)

_AGED: Final = Failure(
    reason=Reason.SHUTTING_DOWN,
    message=(
        "the stream is as old as one may get (timeouts.connection_age_max_s): connect again and go on after the last "
        "sequence answered; no later one was written"
    ),
)
