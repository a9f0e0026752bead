"""A publisher for asyncio: records go out over a stream in the background.

Three tasks share the outbox: one for each stream that sends, one that reads its answers, and the clock, which opens
streams, breaks off those that hang, and gives up what is out of time while the other two wait for the network.
"""

from __future__ import annotations

import asyncio
import math
import random
from typing import Self

import grpc
from grpc import aio

from twinpost.client.codec import PRODUCE_STREAM
from twinpost.client.connection import Tls, aio_channel, credentials
from twinpost.client.deadline import check_timeout, deadline_after
from twinpost.client.errors import BufferFull, PublisherClosed, RecordError
from twinpost.client.options import IDLE_S_MAX, PublisherOptions
from twinpost.client.outbox import Outbox, Settled
from twinpost.client.record import Record, RecordMetadata
from twinpost.client.status import call_error, channel_closed, client_fault, cut_off, stalled

__all__ = ["AsyncPublisher"]


class _Stream:
    """One stream.

    Attributes:
        call: the call.
        ended: whether it is over for the outbox, whatever still comes.
        tasks: those that serve it.
    """

    def __init__(self, call: aio.StreamStreamCall[bytes, bytes]) -> None:
        self.call = call
        self.ended = False
        self.tasks: tuple[asyncio.Task[None], ...] = ()


class AsyncPublisher:
    """Publishes records in the background, in order for each key. Lives on one loop; a context, or to be `close`d.

    What is promised, and what is not: `docs/client.md`.
    """

    def __init__(
        self,
        target: str | aio.Channel,
        *,
        user: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        options: PublisherOptions | None = None,
    ) -> None:
        """Publish to the gateway at `target`; the first record opens the connection. Must run on a running loop.

        Args:
            target: `host:port`, or a channel, which stays the caller's to close.
            user: who calls, where the gateway asks for that.
            password: that user's.
            tls: TLS, where `target` is an address.
            options: limits and times; the defaults suit most.
        """
        self._loop = asyncio.get_running_loop()
        self._metadata = credentials(user, password)
        opened = aio_channel(target, tls) if isinstance(target, str) else target
        self._own_channel = opened if isinstance(target, str) else None
        self._produce_stream: aio.StreamStreamMultiCallable[bytes, bytes] = opened.stream_stream(PRODUCE_STREAM)
        self._outbox: Outbox[asyncio.Future[RecordMetadata]] = Outbox(options or PublisherOptions(), random.random)
        self._sender = asyncio.Event()
        self._sender_wakes_at = -math.inf
        self._clock = asyncio.Event()
        self._clock_sleeps = False
        # Set, and replaced, whenever the outbox may have let go of something.
        self._progress = asyncio.Event()
        # Those who wait for room get it in turn.
        self._turn = asyncio.Lock()
        self._stream: _Stream | None = None
        # Whether something waits for the tasks below, which get no turn while `publish` is called in a tight loop.
        self._pressing = False
        self._closing = False
        self._finished = False
        self._clock_task = self._loop.create_task(self._run(), name="twinpost-publisher")

    async def __aenter__(self) -> Self:
        """Return the publisher."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Deliver what was published, and close."""
        await self.close()

    async def publish(self, record: Record, *, timeout_s: float | None = None) -> asyncio.Future[RecordMetadata]:
        """Take `record`, waiting for room in the buffer for at most `timeout_s`, and return what will tell of it.

        Every failure of the record is told by its future, as a RecordError. Cancelling the future recalls nothing.

        Raises:
            BufferFull: there was no room in time.
            PublisherClosed: the publisher is closed, or was closed meanwhile.
            TypeError: a part of the record is of the wrong type.
            ValueError: a number does not fit, or is none, or text has a lone surrogate.
        """
        if timeout_s is not None:
            # Not only where it has to wait: that would come to light under load alone.
            check_timeout(timeout_s)
        if self._pressing:
            # Before the record is taken: whoever is cancelled here must not leave one behind.
            self._pressing = False
            await asyncio.sleep(0)
        future: asyncio.Future[RecordMetadata] = self._loop.create_future()
        try:
            if self._closing:
                raise PublisherClosed
            if self._turn.locked() or not self._outbox.add(record, future, self._loop.time()):
                await self._add_in_turn(record, future, timeout_s)
            if self._outbox.changed:
                self._wake()
                self._pressing = True
        except RecordError as error:
            future.set_exception(error)
        return future

    async def flush(self, timeout_s: float | None = None) -> None:
        """Send what is held without lingering, and return once everything published before is settled.

        Raises:
            TimeoutError: that was not so after `timeout_s`; the records go on.
        """
        deadline = deadline_after(timeout_s, self._loop.time())
        mark = self._outbox.seal()
        self._wake()
        async with _timeout_at(deadline):
            while not self._outbox.is_flushed(mark):
                await self._progress.wait()

    async def close(self, timeout_s: float | None = None) -> int:
        """Take no more records, wait until those taken are settled, and close the connection.

        Every record is settled after `delivery_timeout_s` at the latest. What is not settled after `timeout_s`, or when
        this is cancelled, is given up: as `unknown` where it was sent, else as `no`.

        Returns:
            how many records were given up.
        """
        deadline = deadline_after(timeout_s, self._loop.time())
        self._closing = True
        self._announce_progress()
        given_up = 0
        try:
            async with _timeout_at(deadline):
                await self.flush()
                given_up += self._finish()
                await asyncio.shield(self._clock_task)
        except TimeoutError:
            pass
        finally:
            given_up += self._finish()
            if self._stream is not None:
                self._end(self._stream, None)
            await self._clock_task
            if self._own_channel is not None:
                await self._own_channel.close()
        return given_up

    def _finish(self) -> int:
        """Let the tasks end once there is nothing to do for them, and return how many records are given up for that."""
        settled = [] if self._outbox.is_empty else self._outbox.abandon()
        self._tell(settled)
        self._finished = True
        self._sender.set()
        self._clock.set()
        return len(settled)

    async def _add_in_turn(
        self, record: Record, future: asyncio.Future[RecordMetadata], timeout_s: float | None
    ) -> None:
        deadline = deadline_after(timeout_s, self._loop.time())
        try:
            async with _timeout_at(deadline), self._turn:
                while True:
                    # Before each try: what is taken after `close` has settled everything would never be settled.
                    if self._closing:
                        raise PublisherClosed
                    if self._outbox.add(record, future, self._loop.time()):
                        return
                    await self._progress.wait()
        except TimeoutError:
            raise BufferFull(self._outbox.held_bytes) from None

    def _wake(self) -> None:
        """Wake whoever sleeps past what has become the next thing to do."""
        self._outbox.changed = False
        if self._outbox.send_at < self._sender_wakes_at:
            self._sender.set()
        if self._stream is None or self._clock_sleeps:
            self._clock_sleeps = False
            self._clock.set()

    async def _run(self) -> None:
        """Keep the time until there is nothing left to do."""
        try:
            await self._keep_time()
        except asyncio.CancelledError:
            # The loop ends: nothing is delivered any more, and without a clock who waits for that would wait for ever.
            self._closing = True
            self._finish()
            raise

    async def _keep_time(self) -> None:
        """Open streams, break off those that hang, give up what is out of time."""
        while True:
            self._clock.clear()
            now = self._loop.time()
            self._tell(self._outbox.tick(now))
            if self._stream is None:
                if self._finished:
                    return
                if self._outbox.open_at <= now:
                    self._open(now)
            elif self._outbox.is_stalled(now):
                self._end(self._stream, stalled())
            wakes_at = min(self._outbox.tick_at, self._outbox.open_at)
            self._clock_sleeps = wakes_at == math.inf
            await _until(self._clock, wakes_at)

    def _open(self, now: float) -> None:
        self._outbox.opening(now)
        try:
            call = self._produce_stream(metadata=self._metadata)
        except aio.UsageError:
            self._tell(self._outbox.ended(channel_closed(), now))
            return
        stream = self._stream = _Stream(call)
        stream.tasks = (
            self._loop.create_task(self._send(stream), name="twinpost-publisher-steps"),
            self._loop.create_task(self._read(stream), name="twinpost-publisher-answers"),
        )

    async def _send(self, stream: _Stream) -> None:
        """Write the steps of `stream`, each once the network has taken the one before."""
        idle_at = self._loop.time() + IDLE_S_MAX
        try:
            while not stream.ended:
                self._sender.clear()
                now = self._loop.time()
                step = self._outbox.next_step(now)
                if step is not None:
                    await stream.call.write(step)
                    idle_at = self._loop.time() + IDLE_S_MAX
                elif self._outbox.is_empty and (self._finished or now >= idle_at):
                    self._outbox.leaving(now)
                    self._clock.set()
                    await stream.call.done_writing()
                    return
                else:
                    if now >= idle_at:
                        idle_at = now + IDLE_S_MAX
                    self._sender_wakes_at = min(idle_at, self._outbox.send_at)
                    await _until(self._sender, self._sender_wakes_at)
                    self._sender_wakes_at = -math.inf
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The call is over; who reads its answers tells how.
            return

    async def _read(self, stream: _Stream) -> None:
        """Take the answers of `stream` until it ends."""
        error: RecordError | None = client_fault()
        try:
            while isinstance(data := await stream.call.read(), bytes):
                if stream.ended:
                    return
                self._tell(self._outbox.answered(data, self._loop.time()))
                self._wake()
            error = None
        except RecordError as broken:
            error = broken
        except grpc.RpcError as failed:
            error = call_error(failed)
        except asyncio.CancelledError:
            # The channel was closed, or the loop ends: either way this task is at its end, too.
            error = cut_off()
        finally:
            self._end(stream, error)

    def _end(self, stream: _Stream, error: RecordError | None) -> None:
        """Note how `stream` ended, unless it has before."""
        if stream.ended:
            return
        stream.ended = True
        self._stream = None
        self._tell(self._outbox.ended(error, self._loop.time()))
        stream.call.cancel()
        self._sender.set()
        self._clock.set()

    def _tell(self, settled: Settled[asyncio.Future[RecordMetadata]]) -> None:
        for future, outcome in settled:
            if future.done():
                continue  # cancelled by whoever holds it
            if isinstance(outcome, RecordError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        # Even if nothing is told: a batch whose records had run out of time before may have left the outbox.
        self._announce_progress()

    def _announce_progress(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()


def _timeout_at(deadline: float) -> asyncio.Timeout:
    """Return the same of asyncio's; not every loop knows an infinite time."""
    return asyncio.timeout_at(None if deadline == math.inf else deadline)


async def _until(event: asyncio.Event, deadline: float) -> None:
    """Wait for `event`, but not beyond `deadline`."""
    try:
        async with _timeout_at(deadline):
            await event.wait()
    except TimeoutError:
        pass
