"""The outbox: what a publisher holds, and which step of the stream comes next. It knows no clock, thread or socket.

Whoever drives it tells it what happens and when; it tells what to send, and what became of which record. Times are
seconds of one monotonic clock. It is not safe for threads: its driver takes care of that.

A record's states:

    waiting   in a batch that still takes records
    queued    in a closed batch, or refused and to be tried again
    on wire   in a step that was handed to the stream, and not answered yet
    settled   its promise is told, once and for good

    waiting ── its time to linger is over, its batch is full, a flush ──> queued
    queued ── next_step ──> on wire
    on wire ── answered: stored, or refused for good ──> settled
    on wire ── answered: refused, retriable, certainly not stored ──> queued, before all others of its lane
    on wire ── answered: refused along with others, one of which breaks a rule ──> queued, in smaller parts
    on wire ── the stream ended, and the gateway says that what it has not answered was not written ──> queued
    on wire ── the stream broke, or the answer is that nobody knows ──> settled as `unknown`
                                                                       (resend_unknown: queued, and in doubt)
    waiting, queued ── delivery_timeout_s is over ──> settled: `no`, or `unknown` where it is in doubt
    waiting, queued ── a record fails that nothing may come after (halts_on) ──> settled: likewise
    on wire ── delivery_timeout_s is over ──> settled: `unknown`

The stream's phases, in each of which it may end:

    CLOSED ── opening ──> OPENING ── its first answer ──> OPEN ── leaving ──> LEAVING ── ended ──> CLOSED

A stream begins with a step without records. Until that is answered, nothing else is sent, so that whatever stands
between here and a gateway that serves, no record's fate is in doubt for it.

What keeps the order of a key is told in `lane.py`. On top of that, a record is not tried again where a later one of
its key is, or may be, stored already; both were then in the same step.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final, Generic

from twinpost.client.batch import ENVELOPE_BYTES_MAX, RECORD_HELD_BYTES, Batch, Promise
from twinpost.client.codec import (
    Outcome,
    add_record,
    check_headers,
    decode_step_answer,
    headers_bytes_max,
    outcomes_from,
    unreadable,
)
from twinpost.client.errors import Delivered, RecordError
from twinpost.client.lane import Lane, TopicLanes, order_of
from twinpost.client.options import PublisherOptions
from twinpost.client.record import Record, RecordMetadata
from twinpost.v1 import producer_service_pb2

__all__ = ["Outbox", "Settled"]

_LOG: Final = logging.getLogger(__name__)

_STEPS_MAX: Final = 128
"""Steps on the wire at once, of all topics; the gateway reads at most 256 of a stream ahead."""

_TURN_S_MAX: Final = 10.0
"""How long a new stream may take to answer its first step, and one that is left to end."""

_STEP_AT_FAULT: Final = frozenset(
    {"INVALID_RECORD", "INVALID_TIMESTAMP", "PARTITION_OUT_OF_RANGE", "RECORD_TOO_LARGE", "REQUEST_TOO_LARGE"}
)
"""Reasons for which the gateway refuses a whole step, whichever of its records is at fault."""


class _Phase(Enum):
    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    LEAVING = "leaving"


@dataclass(slots=True)
class _Step(Generic[Promise]):
    """A step on the wire: batches of one topic, each of another lane."""

    sequence: int
    topic: str
    parts: Sequence[Batch[Promise]]
    records: int


Settled = list[tuple[Promise, Outcome]]
"""Promises, and what each is to be told."""


class Outbox(Generic[Promise]):
    """Holds records until they are settled.

    Attributes:
        held_bytes: what it holds counts for so much in the buffer.
        changed: whether `send_at` may be sooner than it was; for who asks to reset.
    """

    def __init__(self, options: PublisherOptions, random: Callable[[], float]) -> None:
        """Keep to `options`; `random` gives a number from 0 to 1, for jitter."""
        self._options = options
        # What is looked at for each record, where it is found sooner.
        self._batch_bytes_max = options.batch_bytes_max
        self._step_bytes_max = options.step_bytes_max
        self._batch_records_max = options.batch_records_max
        self._buffer_bytes_max = options.buffer_bytes_max
        self._delivery_timeout_s = options.delivery_timeout_s
        self._random = random
        self.held_bytes = 0
        self.changed = False
        self._topics: dict[str, TopicLanes[Batch[Promise]]] = {}
        # Batches that are not settled, for each flush; the last one has not been asked for yet.
        self._unsettled: dict[int, int] = {}
        self._mark = 0
        self._batches = 0
        # Ties are broken by a running number, since neither lanes nor batches have an order.
        self._numbers = count()
        self._sending: list[tuple[float, int, Lane[Batch[Promise]]]] = []
        self._expiring: list[tuple[float, int, Batch[Promise]]] = []
        self._phase = _Phase.CLOSED
        self._sequence = 0
        self._greeting = 0
        self._phase_began_at = -math.inf
        self._open_after = -math.inf
        self._failures = 0
        self._last_failure: RecordError | None = None
        self._halted_by: RecordError | None = None
        self._on_wire: deque[_Step[Promise]] = deque()

    # --- for those who publish ---

    @property
    def is_empty(self) -> bool:
        """Whether every record is settled."""
        return not self._unsettled

    def add(self, record: Record, promise: Promise, now: float) -> bool:  # noqa: C901 - one pass, for each record
        """Take `record`, and return whether there was room for it.

        Raises:
            RecordError: the record is larger than a step may be, or nothing may leave any more.
            TypeError: a part of the record is of the wrong type.
            ValueError: a number does not fit, or text has a lone surrogate.
        """
        if self._halted_by is not None:
            raise _halted(self._halted_by)
        key, value, partition = record.key, record.value, record.partition
        if key.__class__ is str:
            key = key.encode()
        if value.__class__ is str:
            value = value.encode()
        topic = self._topics.get(record.topic) or TopicLanes(record.topic)
        size = topic.record_bytes_min
        if value:
            size += len(value)
        if key:
            size += len(key)
        if record.headers:
            check_headers(record.headers)
            size += headers_bytes_max(record.headers)
        held_bytes = self.held_bytes + size + RECORD_HELD_BYTES
        if held_bytes > self._buffer_bytes_max:
            self._check_possible(size)
            return False
        lane = topic.lane(partition, key)  # type: ignore[arg-type] # text is encoded above
        batch = lane.open
        if batch is None or batch.wire_bytes + size > self._batch_bytes_max:
            batch = self._new_batch(lane, size, now)
        try:
            add_record(batch.request.records, record.topic, value, key, partition, record.timestamp, record.headers)  # type: ignore[arg-type] # ditto
        except BaseException:
            batch.drop_unfinished()
            raise
        batch.deadlines.append(now + self._delivery_timeout_s)
        batch.wire_bytes += size
        promises = batch.promises
        promises.append(promise)
        if len(promises) > 1:
            self.held_bytes = held_bytes
        else:
            self._begin(batch, topic)
        if len(promises) >= self._batch_records_max:
            self._close(lane)
        return True

    def seal(self) -> int:
        """Send what waits without lingering, and return the mark to ask `is_flushed` with."""
        for topic in self._topics.values():
            for lane in topic.lanes:
                self._close(lane)
        self._mark += 1
        return self._mark - 1

    def is_flushed(self, mark: int) -> bool:
        """Return whether every record is settled that was taken before `seal` returned `mark`."""
        return all(unsettled > mark for unsettled in self._unsettled)

    # --- for the driver: when to do something ---

    @property
    def open_at(self) -> float:
        """When a stream should be opened; infinite while none is needed, or one is there."""
        return math.inf if self.is_empty or self._phase is not _Phase.CLOSED else self._open_after

    @property
    def send_at(self) -> float:
        """When `next_step` is worth asking; infinite until something else happens."""
        if self._phase is _Phase.OPENING:
            return math.inf if self._greeting else -math.inf
        if self._phase is not _Phase.OPEN or len(self._on_wire) >= _STEPS_MAX or not self._sending:
            return math.inf
        return self._sending[0][0]

    @property
    def tick_at(self) -> float:
        """When `tick` has something to do."""
        expires_at = self._expiring[0][0] if self._expiring else math.inf
        turns = self._phase in {_Phase.OPENING, _Phase.LEAVING}
        return min(expires_at, self._phase_began_at + _TURN_S_MAX) if turns else expires_at

    def is_stalled(self, now: float) -> bool:
        """Return whether the stream must be broken off: it does not begin, or end, or it answers too late for anybody.

        Answers come in order, so the first step on the wire speaks for all.
        """
        if self._phase in {_Phase.OPENING, _Phase.LEAVING}:
            return now >= self._phase_began_at + _TURN_S_MAX
        return bool(self._on_wire) and all(part.told == len(part.promises) for part in self._on_wire[0].parts)

    # --- for the driver: what has happened ---

    def opening(self, now: float) -> None:
        """Note that a stream is being opened."""
        self._phase = _Phase.OPENING
        self._phase_began_at = now
        self._greeting = 0

    def leaving(self, now: float) -> None:
        """Note that the stream was half-closed, every record on it being settled."""
        if self._phase is _Phase.OPEN:
            self._phase = _Phase.LEAVING
            self._phase_began_at = now

    def next_step(self, now: float) -> bytes | None:
        """Return the next step to hand to the stream, or `None` where there is none yet. It counts as sent."""
        if self._phase is _Phase.OPENING and not self._greeting:
            self._sequence += 1
            self._greeting = self._sequence
            return producer_service_pb2.ProduceStreamRequest(sequence=self._greeting).SerializeToString()
        if self._phase is not _Phase.OPEN or len(self._on_wire) >= _STEPS_MAX:
            return None
        while self._sending and self._sending[0][0] <= now:
            at, _, lane = heapq.heappop(self._sending)
            if at != lane.scheduled_at:
                continue  # An earlier entry of the lane was followed already.
            lane.scheduled_at = math.inf
            if lane.due_at(self._options.linger_s) <= now:
                return self._send(lane, now)
            self._schedule(lane)
        return None

    def answered(self, data: bytes, now: float) -> Settled[Promise]:
        """Take an answer, and return what is settled by it.

        Raises:
            RecordError: the answer breaks the contract: nothing is settled, and the stream must be broken off.
        """
        sequence, results = decode_step_answer(data)
        if self._phase is _Phase.OPENING:
            if sequence != self._greeting or results:
                raise _out_of_turn(sequence)
            self._phase = _Phase.OPEN
            return []
        if not self._on_wire or self._on_wire[0].sequence != sequence:
            raise _out_of_turn(sequence)
        step = self._on_wire[0]
        outcomes, failures = outcomes_from(results, step.topic)
        refusal = _refusal_of_all(outcomes) if failures else None
        # The refusal of too many records tells of no more than the gateway's limit.
        if len(outcomes) != step.records and (refusal is None or len(outcomes) > step.records):
            raise _miscounted(len(outcomes), step.records)
        self._on_wire.popleft()
        self._failures = 0
        self._last_failure = None
        settled: Settled[Promise] = []
        start = 0
        for part in step.parts:
            end = start + len(part.promises)
            lane = part.lane
            lane.on_wire -= 1
            part.sent = False
            if refusal is not None and step.records > 1:
                self._split(part, only=len(step.parts) == 1)
            elif failures:
                self._resolve(part, outcomes[start:end], now, settled)
            else:
                lane.failures = 0
                self._stored(part, outcomes[start:end], settled)
            self._schedule(lane)
            start = end
        self._halt_on(settled)
        self._forget_settled()
        return settled

    def ended(self, error: RecordError | None, now: float) -> Settled[Promise]:
        """Take the end of the stream, and return what is settled by it.

        Args:
            error: how it ended; `None` for OK.
            now: the time.
        """
        opening = self._phase is _Phase.OPENING
        self._phase = _Phase.CLOSED
        if error is None:
            if not opening and not self._on_wire:
                self._open_after = now
                return []
            error = _unanswered()
        if opening:
            # No record was sent.
            error = error.of_unsent()
        self._last_failure = error
        self._failures += 1
        self._open_after = now + self._options.retry.delay_s(self._failures, error.retry_delay_s, self._random)
        settled: Settled[Promise] = []
        refused = error.delivered is Delivered.NO
        again = error.retriable and (refused or self._options.resend_unknown)
        # From the last one on, so that each lane gets its batches back in their order.
        for step in reversed(self._on_wire):
            for part in step.parts:
                part.lane.on_wire -= 1
                part.sent = False
                if again:
                    untold = range(part.told, len(part.promises))
                    if not refused:
                        part.doubt(untold)
                    self._requeue(part, untold, error)
                else:
                    self._fail(part, error, settled)
                self._schedule(part.lane)
        self._on_wire.clear()
        if refused and not error.retriable:
            # As good as an answer to everything: it would go on until something is changed.
            self._fail_queued(error, settled)
        self._halt_on(settled)
        return settled

    def tick(self, now: float) -> Settled[Promise]:
        """Give up what is out of time, and return it."""
        settled: Settled[Promise] = []
        while self._expiring and self._expiring[0][0] <= now:
            _, _, batch = heapq.heappop(self._expiring)
            late = batch.told
            while late < len(batch.promises) and batch.deadlines[late] <= now:
                late += 1
            if batch.sent:
                for index in range(batch.told, late):
                    settled.append((batch.promises[index], _too_late_on_wire(self._delivery_timeout_s)))
                batch.told = late
                if late < len(batch.promises):
                    self._watch(batch)
            elif batch.promises:
                self._give_up(batch, late, settled)
        self._halt_on(settled)
        self._forget_settled()
        return settled

    def abandon(self) -> Settled[Promise]:
        """Settle everything at once, since the publisher ends: what is on the wire as `unknown`, the rest as `no`."""
        settled: Settled[Promise] = []
        for step in self._on_wire:
            for part in step.parts:
                part.lane.on_wire -= 1
                self._fail(part, _closed(Delivered.UNKNOWN), settled)
        self._on_wire.clear()
        self._fail_queued(_closed(Delivered.NO), settled)
        self._phase = _Phase.CLOSED
        return settled

    # --- within ---

    def _new_batch(self, lane: Lane[Batch[Promise]], size: int, now: float) -> Batch[Promise]:
        """Return a batch for a record of `size` that does not fit into the open one; it is to `_begin`."""
        self._check_possible(size)
        self._close(lane)
        return Batch(lane, self._mark, now)

    def _begin(self, batch: Batch[Promise], topic: TopicLanes[Batch[Promise]]) -> None:
        """Let the batch take part, now that it has its first record."""
        self._topics[topic.name] = topic
        lane = batch.lane
        lane.queue.append(batch)
        lane.open = batch
        self._enter(batch)
        self._schedule(lane)

    def _check_possible(self, size: int) -> None:
        if ENVELOPE_BYTES_MAX + size > self._step_bytes_max:
            raise _too_large(size, self._step_bytes_max)

    def _send(self, lane: Lane[Batch[Promise]], now: float) -> bytes:
        """Put the first batch of `lane` on the wire, together with what other lanes of its topic have ready."""
        first = lane.queue[0]
        parts = [first]
        wire_bytes = first.wire_bytes
        records = len(first.promises)
        if not first.alone:
            for other in lane.topic.lanes:
                if other is lane or other.on_wire or not other.queue or other.not_before > now:
                    continue
                batch = other.queue[0]
                if (
                    not batch.alone
                    and records + len(batch.promises) <= self._batch_records_max
                    and wire_bytes + batch.wire_bytes <= self._batch_bytes_max
                ):
                    parts.append(batch)
                    wire_bytes += batch.wire_bytes
                    records += len(batch.promises)
        for part in parts:
            part.sent = True
            part.lane.queue.popleft()
            part.lane.on_wire += 1
            if part.lane.open is part:
                part.lane.open = None
            self._schedule(part.lane)
        self._sequence += 1
        self._on_wire.append(_Step(self._sequence, lane.topic.name, parts, records))
        # Protobuf's messages are merged by writing one after the other.
        head = producer_service_pb2.ProduceStreamRequest(sequence=self._sequence)
        return b"".join((head.SerializeToString(), *(part.request.SerializeToString() for part in parts)))

    def _stored(self, batch: Batch[Promise], outcomes: Sequence[Outcome], settled: Settled[Promise]) -> None:
        """Settle a batch whose records are all stored."""
        if batch.any_in_doubt:
            outcomes = [_told_of_doubt(outcome, batch, index) for index, outcome in enumerate(outcomes)]
        if batch.told:
            settled.extend(zip(batch.promises[batch.told :], outcomes[batch.told :], strict=True))
        else:
            settled.extend(zip(batch.promises, outcomes, strict=True))
        self._leave(batch)

    def _resolve(
        self, batch: Batch[Promise], outcomes: Sequence[Outcome], now: float, settled: Settled[Promise]
    ) -> None:
        """Settle what is told for good, and queue the rest again, so that no record comes behind a later one."""
        records = batch.request.records
        resend_unknown = self._options.resend_unknown
        told: Settled[Promise] = []
        again: list[int] = []
        doubtful: list[int] = []
        refusal: RecordError | None = None
        passed: set[Hashable] = set()
        # From the last one on: what counts is whether a later record is, or may be, in the log.
        for index in range(len(outcomes) - 1, batch.told - 1, -1):
            outcome = outcomes[index]
            order = order_of(records[index])
            if isinstance(outcome, RecordMetadata):
                told.append((batch.promises[index], _told_of_doubt(outcome, batch, index)))
                passed.add(order)
                continue
            unknown = outcome.delivered is Delivered.UNKNOWN
            overtaken = order is not None and order in passed
            if outcome.retriable and (resend_unknown or not unknown) and not overtaken:
                again.append(index)
                refusal = outcome
                if unknown:
                    doubtful.append(index)
                continue
            if overtaken and outcome.retriable:
                outcome = outcome.overtaken()
            told.append((batch.promises[index], _told_of_doubt(outcome, batch, index)))
            if unknown or batch.in_doubt(index):
                passed.add(order)
        settled.extend(reversed(told))
        lane = batch.lane
        if len(again) < len(outcomes) - batch.told:
            lane.failures = 0
        if refusal is None:
            self._leave(batch)
            return
        lane.failures += 1
        lane.not_before = now + self._options.retry.delay_s(lane.failures, refusal.retry_delay_s, self._random)
        batch.doubt(doubtful)
        self._requeue(batch, again[::-1], refusal)

    def _split(self, batch: Batch[Promise], *, only: bool) -> None:
        """Queue a batch again, in smaller steps, to find out which record a whole step was refused for.

        Args:
            batch: what was refused. Until it is clear for whose fault, that counts as nobody's error.
            only: whether it was the whole step; else it may be some other lane's record that is at fault.
        """
        batch.alone = True
        untold = range(batch.told, len(batch.promises))
        half = len(untold) // 2 if only else len(untold)
        # The second half first, so that the first one comes to stand before it.
        back = batch.part(untold[half:])
        if back.promises:
            self._enter(back)
            back.lane.queue.appendleft(back)
        self._requeue(batch, untold[:half], batch.refusal)

    def _requeue(self, batch: Batch[Promise], indexes: Sequence[int], refusal: RecordError | None) -> None:
        """Put the records at `indexes` back to the front of their lane, and let go of the batch's others."""
        if len(indexes) < len(batch.promises):
            part = batch.part(indexes)
            if part.promises:
                self._enter(part)
            self._leave(batch)
            batch = part
        if batch.promises:
            batch.refusal = refusal
            batch.lane.queue.appendleft(batch)

    def _fail(self, batch: Batch[Promise], error: RecordError, settled: Settled[Promise]) -> None:
        for index in range(batch.told, len(batch.promises)):
            settled.append((batch.promises[index], _told_of_doubt(error, batch, index)))
        self._leave(batch)

    def _fail_queued(self, error: RecordError, settled: Settled[Promise]) -> None:
        for topic in list(self._topics.values()):
            for lane in topic.lanes:
                queued = list(lane.queue)
                lane.queue.clear()
                lane.open = None
                for batch in queued:
                    self._fail(batch, error, settled)

    def _give_up(self, batch: Batch[Promise], late: int, settled: Settled[Promise]) -> None:
        """Settle the first `late` records of a batch that is not on the wire."""
        cause = batch.refusal or self._last_failure
        error = _too_late(cause, self._delivery_timeout_s)
        for index in range(late):
            settled.append((batch.promises[index], _told_of_doubt(error, batch, index)))
        lane = batch.lane
        rest = batch.part(range(late, len(batch.promises)))
        if rest.promises:
            lane.queue[lane.queue.index(batch)] = rest
            self._enter(rest)
        else:
            lane.queue.remove(batch)
        if lane.open is batch:
            lane.open = rest if rest.promises else None
        self._leave(batch)
        self._schedule(lane)

    def _halt_on(self, settled: Settled[Promise]) -> None:
        """Fail what is queued, where what is to be told has a failure that nothing may come after."""
        halts_on = self._options.halts_on
        if halts_on is None or self._halted_by is not None:
            return
        failures = (outcome for _, outcome in settled if isinstance(outcome, RecordError))
        try:
            self._halted_by = next(filter(halts_on, failures), None)
        # The caller's code may raise anything, even `SystemExit`. What is settled has left the outbox: it must be told.
        except (Exception, SystemExit):  # noqa: BLE001 - see above
            _LOG.exception("halts_on failed; it halts nothing")
        if self._halted_by is not None:
            self._fail_queued(_halted(self._halted_by), settled)

    def _close(self, lane: Lane[Batch[Promise]]) -> None:
        """Let the lane's open batch take no more records, if there is one."""
        lane.open = None
        self._schedule(lane)

    def _enter(self, batch: Batch[Promise]) -> None:
        """Begin to count a batch."""
        self.held_bytes += batch.held_bytes
        batch.lane.topic.batches += 1
        self._batches += 1
        self._unsettled[batch.mark] = self._unsettled.get(batch.mark, 0) + 1
        self._watch(batch)

    def _leave(self, batch: Batch[Promise]) -> None:
        """Let go of a batch: its records are settled, or have become part of another one."""
        self.held_bytes -= batch.held_bytes
        batch.empty()
        self._batches -= 1
        self._unsettled[batch.mark] -= 1
        if not self._unsettled[batch.mark]:
            del self._unsettled[batch.mark]
        topic = batch.lane.topic
        topic.batches -= 1
        if not topic.batches:
            del self._topics[topic.name]
        if not self._batches:
            # No lane has anything to send; while no stream opens, nothing else would let go of them.
            self._sending.clear()

    def _forget_settled(self) -> None:
        """Let go of batches that are watched, and have nothing left to expire."""
        while self._expiring and not self._expiring[0][2].promises:
            heapq.heappop(self._expiring)
        # One that is stuck would hold all that were settled after it. Rebuilt once those outnumber the ones that count,
        # the heap costs each batch the same, however many there are.
        if len(self._expiring) > 2 * self._batches:
            self._expiring = [entry for entry in self._expiring if entry[2].promises]
            heapq.heapify(self._expiring)

    def _watch(self, batch: Batch[Promise]) -> None:
        heapq.heappush(self._expiring, (batch.deadlines[batch.told], next(self._numbers), batch))

    def _schedule(self, lane: Lane[Batch[Promise]]) -> None:
        due_at = lane.due_at(self._options.linger_s)
        if due_at < lane.scheduled_at:
            lane.scheduled_at = due_at
            self.changed = True
            heapq.heappush(self._sending, (due_at, next(self._numbers), lane))


def _refusal_of_all(outcomes: Sequence[Outcome]) -> RecordError | None:
    """Return why the gateway refused a whole step, where that is a rule that a single record of it may have broken."""
    first = outcomes[0]
    if not isinstance(first, RecordError) or first.reason not in _STEP_AT_FAULT:
        return None
    alike = all(
        isinstance(outcome, RecordError)
        and outcome.reason == first.reason
        and outcome.delivered is Delivered.NO
        and not outcome.retriable
        for outcome in outcomes
    )
    return first if alike else None


def _told_of_doubt(outcome: Outcome, batch: Batch[Promise], index: int) -> Outcome:
    """Return `outcome` with what an earlier try of the record may have left behind."""
    if not batch.in_doubt(index):
        return outcome
    if isinstance(outcome, RecordMetadata):
        return outcome._replace(maybe_duplicated=True)
    return outcome.in_doubt()


def _too_large(size: int, step_bytes_max: int) -> RecordError:
    return RecordError(
        "RECORD_TOO_LARGE",
        f"the record takes up to {size} bytes on the wire, more than the {step_bytes_max} that are allowed: "
        "make it smaller, or raise record_bytes_max; it was not sent",
    )


def _unanswered() -> RecordError:
    return RecordError(
        "GATEWAY_UNAVAILABLE",
        "the stream ended without an answer to the record",
        retriable=True,
        delivered=Delivered.UNKNOWN,
    )


def _too_late(cause: RecordError | None, delivery_timeout_s: float) -> RecordError:
    """Return the error of a record whose time was over before it could be sent, or sent again."""
    if cause is None:
        return RecordError(
            "DEADLINE_EXCEEDED",
            f"the gateway did not take the record within {delivery_timeout_s:g} s (delivery_timeout_s); "
            "it was not written",
            retriable=True,
        )
    return RecordError(
        cause.reason, f"given up after {delivery_timeout_s:g} s (delivery_timeout_s): {cause.message}", retriable=True
    )


def _too_late_on_wire(delivery_timeout_s: float) -> RecordError:
    return RecordError(
        "DEADLINE_EXCEEDED",
        f"no answer came within {delivery_timeout_s:g} s (delivery_timeout_s); the record may be in the log",
        retriable=True,
        delivered=Delivered.UNKNOWN,
    )


def _halted(cause: RecordError) -> RecordError:
    return RecordError(
        cause.reason,
        f"not sent behind a record that failed: {cause.message}",
        retriable=cause.retriable,
        halted_by=cause,
    )


def _closed(delivered: Delivered) -> RecordError:
    known = "it was not sent" if delivered is Delivered.NO else "it may be in the log"
    return RecordError(
        "DEADLINE_EXCEEDED",
        f"the publisher was closed before the record was acknowledged; {known}",
        retriable=True,
        delivered=delivered,
    )


def _out_of_turn(sequence: int) -> RecordError:
    return unreadable(f"an answer to step {sequence} out of turn")


def _miscounted(results: int, records: int) -> RecordError:
    return unreadable(f"{results} results for {records} records")
