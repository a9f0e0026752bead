"""A publisher for threads: records go out over a stream in the background.

Three threads share the outbox under one lock: grpc's own, which asks `_steps` for what to send; one for each stream,
which reads its answers; and the clock, which opens streams, breaks off those that hang, and gives up what is out of
time while the other two wait for the network.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Protocol, Self

import grpc

from twinpost.client.codec import PRODUCE_STREAM
from twinpost.client.connection import Tls, channel, credentials
from twinpost.client.deadline import check_timeout, deadline_after
from twinpost.client.errors import BufferFull, PublisherClosed, RecordError
from twinpost.client.future import RecordFuture, settle
from twinpost.client.options import IDLE_S_MAX, PublisherOptions
from twinpost.client.outbox import Outbox, Settled
from twinpost.client.record import Record
from twinpost.client.status import call_error, channel_closed, client_fault, stalled

__all__ = ["Publisher"]


class _Call(Protocol):
    """What is used of grpc's call, whose own type has no public name."""

    def __iter__(self) -> Iterator[bytes]: ...

    def cancel(self) -> object: ...


class _Stream:
    """One stream.

    Attributes:
        call: the call, once it is made.
        ended: whether it is over for the outbox, whatever still comes.
    """

    def __init__(self) -> None:
        self.call: _Call | None = None
        self.ended = False


class Publisher:
    """Publishes records in the background, in order for each key. Safe for threads; a context, or to be `close`d.

    What is promised, and what is not: `docs/client.md`.
    """

    def __init__(
        self,
        target: str | grpc.Channel,
        *,
        user: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        options: PublisherOptions | None = None,
    ) -> None:
        """Publish to the gateway at `target`; the first record opens the connection.

        Args:
            target: `host:port`, or a channel, which stays the caller's to close.
            user: who calls, where the gateway asks for that.
            password: that user's.
            tls: TLS, where `target` is an address.
            options: limits and times; the defaults suit most.
        """
        self._metadata = credentials(user, password)
        opened = channel(target, tls) if isinstance(target, str) else target
        self._own_channel = opened if isinstance(target, str) else None
        self._produce_stream: grpc.StreamStreamMultiCallable[bytes, bytes] = opened.stream_stream(PRODUCE_STREAM)
        self._outbox: Outbox[RecordFuture] = Outbox(options or PublisherOptions(), random.random)
        self._lock = threading.Lock()
        # Who waits under the lock: the sender for something to send, the clock for the time, all others for room or for
        # the end.
        self._sender = threading.Condition(self._lock)
        self._clock = threading.Condition(self._lock)
        self._others = threading.Condition(self._lock)
        self._sender_wakes_at = -math.inf
        self._clock_sleeps = False
        self._told = threading.Condition()
        # Outcomes that have left the outbox, and have not reached their futures yet.
        self._telling: set[int] = set()
        self._tellings = itertools.count()
        self._stream: _Stream | None = None
        self._closing = False
        self._finished = False
        self._own_threads: set[int] = set()
        self._clock_thread = threading.Thread(target=self._run, name="twinpost-publisher", daemon=True)
        self._clock_thread.start()

    def __enter__(self) -> Self:
        """Return the publisher."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Deliver what was published, and close."""
        self.close()

    def publish(self, record: Record, *, timeout_s: float | None = None) -> RecordFuture:
        """Take `record`, waiting for room in the buffer for at most `timeout_s`, and return what will tell of it.

        Every failure of the record is told by its future.

        Raises:
            BufferFull: there was no room in time.
            PublisherClosed: the publisher is closed, or was closed meanwhile.
            TypeError: a part of the record is of the wrong type.
            ValueError: a number does not fit, or is none, or text has a lone surrogate.
        """
        if timeout_s is not None:
            # Not only where it has to wait: that would come to light under load alone.
            check_timeout(timeout_s)
        future = RecordFuture(self._told)
        try:
            with self._lock:
                if self._closing:
                    raise PublisherClosed
                if not self._outbox.add(record, future, monotonic()):
                    self._wait_for_room(record, future, timeout_s)
                if self._outbox.changed:
                    self._wake()
        except RecordError as error:
            settle([(future, error)], self._told)
        return future

    def flush(self, timeout_s: float | None = None) -> None:
        """Send what is held without lingering, and return once everything published before is settled and told.

        Raises:
            TimeoutError: that was not so after `timeout_s`; the records go on.
        """
        deadline = deadline_after(timeout_s, monotonic())
        with self._lock:
            self._refuse_own_thread()
            mark = self._outbox.seal()
            self._wake()
            self._wait_until(lambda: self._outbox.is_flushed(mark), deadline)
            telling = set(self._telling)
            self._wait_until(lambda: telling.isdisjoint(self._telling), deadline)

    def close(self, timeout_s: float | None = None) -> int:
        """Take no more records, wait until those taken are settled, and close the connection.

        Every record is settled after `delivery_timeout_s` at the latest. What is not settled after `timeout_s` is given
        up: as `unknown` where it was sent, else as `no`.

        Returns:
            how many records were given up.
        """
        deadline = deadline_after(timeout_s, monotonic())
        with self._lock:
            self._refuse_own_thread()
            self._closing = True
            self._others.notify_all()
        try:
            self.flush(timeout_s)
        except TimeoutError:
            pass
        finally:
            given_up = self._finish(deadline)
        return given_up

    # --- under the lock ---

    def _wait_for_room(self, record: Record, future: RecordFuture, timeout_s: float | None) -> None:
        if timeout_s is not None and timeout_s <= 0:
            raise BufferFull(self._outbox.held_bytes)
        self._refuse_own_thread()
        deadline = deadline_after(timeout_s, monotonic())
        while True:
            if not self._others.wait(_remaining_s(deadline)) and monotonic() >= deadline:
                raise BufferFull(self._outbox.held_bytes)
            if self._closing:
                raise PublisherClosed
            if self._outbox.add(record, future, monotonic()):
                return

    def _wait_until(self, condition: Callable[[], bool], deadline: float) -> None:
        if not self._others.wait_for(condition, _remaining_s(deadline)):
            msg = "not every record was settled in time"
            raise TimeoutError(msg)

    def _wake(self) -> None:
        """Wake whoever sleeps past what has become the next thing to do."""
        self._outbox.changed = False
        if self._outbox.send_at < self._sender_wakes_at:
            self._sender_wakes_at = -math.inf
            self._sender.notify()
        if self._clock_sleeps:
            self._clock_sleeps = False
            self._clock.notify()

    def _refuse_own_thread(self) -> None:
        """Refuse to wait on a thread that what is waited for depends on."""
        if threading.get_ident() in self._own_threads:
            msg = (
                "a callback of a published record cannot wait: publish with timeout_s=0, and flush and close elsewhere"
            )
            raise RuntimeError(msg)

    def _next_step(self, stream: _Stream) -> bytes | None:
        """Wait for the next step of `stream`, and return it; `None` half-closes the stream."""
        idle_at = monotonic() + IDLE_S_MAX
        while not stream.ended:
            now = monotonic()
            step = self._outbox.next_step(now)
            if step is not None:
                return step
            if self._outbox.is_empty and (self._finished or now >= idle_at):
                self._outbox.leaving(now)
                self._clock.notify()
                return None
            if now >= idle_at:
                idle_at = now + IDLE_S_MAX
            self._sender_wakes_at = min(idle_at, self._outbox.send_at)
            self._sender.wait(_remaining_s(self._sender_wakes_at))
            self._sender_wakes_at = -math.inf
        return None

    # --- on threads of its own ---

    def _run(self) -> None:
        """Open streams, break off those that hang, give up what is out of time."""
        self._own_threads.add(threading.get_ident())
        try:
            self._keep_time()
        finally:
            # The system may give the same number to another thread.
            self._own_threads.discard(threading.get_ident())

    def _keep_time(self) -> None:
        while True:
            opened = hung = None
            with self._lock:
                now = monotonic()
                settled = self._outbox.tick(now)
                if self._stream is None:
                    if self._finished:
                        return
                    if self._outbox.open_at <= now:
                        self._outbox.opening(now)
                        opened = self._stream = _Stream()
                elif self._outbox.is_stalled(now):
                    hung = self._stream
                if not (settled or opened or hung):
                    wakes_at = min(self._outbox.tick_at, self._outbox.open_at)
                    self._clock_sleeps = wakes_at == math.inf
                    self._clock.wait(_remaining_s(wakes_at))
                    continue
                telling = self._begin_telling(settled)
            self._tell(settled, telling)
            if opened is not None:
                self._open(opened)
            if hung is not None:
                self._end(hung, stalled())

    def _open(self, stream: _Stream) -> None:
        try:
            call = stream.call = self._produce_stream(self._steps(stream), metadata=self._metadata)
        except ValueError:
            self._end(stream, channel_closed())
            return
        reader = threading.Thread(
            target=self._read, args=(stream, call), name="twinpost-publisher-answers", daemon=True
        )
        reader.start()

    def _steps(self, stream: _Stream) -> Iterator[bytes]:
        """Yield the steps of `stream`; grpc asks for the next one when the network has taken the one before."""
        while True:
            with self._lock:
                step = self._next_step(stream)
            if step is None:
                return
            yield step

    def _read(self, stream: _Stream, answers: _Call) -> None:
        """Take the answers of `stream` until it ends."""
        self._own_threads.add(threading.get_ident())
        error: RecordError | None = client_fault()
        try:
            for data in answers:
                with self._lock:
                    settled = [] if stream.ended else self._outbox.answered(data, monotonic())
                    telling = self._begin_telling(settled)
                    self._wake()
                self._tell(settled, telling)
            error = None
        except RecordError as broken:
            error = broken
        except grpc.RpcError as failed:
            error = call_error(failed)
        finally:
            self._end(stream, error)
            self._own_threads.discard(threading.get_ident())

    def _end(self, stream: _Stream, error: RecordError | None) -> None:
        """Note how `stream` ended, unless it has before."""
        with self._lock:
            if stream.ended:
                return
            stream.ended = True
            self._stream = None
            settled = self._outbox.ended(error, monotonic())
            telling = self._begin_telling(settled)
            self._sender.notify()
            self._clock.notify()
        if stream.call is not None:
            stream.call.cancel()
        self._tell(settled, telling)

    def _begin_telling(self, settled: Settled[RecordFuture]) -> int:
        telling = next(self._tellings)
        if settled:
            self._telling.add(telling)
        return telling

    def _tell(self, settled: Settled[RecordFuture], telling: int) -> None:
        """Tell futures their outcomes, outside the lock, since callbacks may publish."""
        try:
            if settled:
                settle(settled, self._told)
        finally:
            # Even if nothing is told: a batch whose records had run out of time before may have left the outbox.
            with self._lock:
                self._telling.discard(telling)
                self._others.notify_all()

    def _finish(self, deadline: float) -> int:
        """End the threads and the connection, and return how many records were given up for that."""
        with self._lock:
            settled = [] if self._outbox.is_empty else self._outbox.abandon()
            telling = self._begin_telling(settled)
            self._finished = True
            self._sender.notify()
            self._clock.notify()
        self._tell(settled, telling)
        if not settled:
            self._clock_thread.join(_remaining_s(deadline))
        stream = self._stream
        if stream is not None:
            self._end(stream, None)
        self._clock_thread.join()
        if self._own_channel is not None:
            self._own_channel.close()
        return len(settled)


def _remaining_s(deadline: float) -> float:
    """Return how long it is until `deadline`, as conditions take it: they know no infinity."""
    return min(max(0.0, deadline - monotonic()), threading.TIMEOUT_MAX)
