"""The order of a stream, with a sink that does as it is told."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record
from twinpost_server.kafka.delivery import Delivery
from twinpost_server.kafka.sink import KafkaSink
from twinpost_server.kafka.stream import KafkaStream
from twinpost_server.kafka.stream_order import StreamOrder
from twinpost_server.kafka.timestamp_types import TimestampTypes

NEIGHBOURS_FAULT = Failure(reason=Reason.BATCH_REFUSED, message="not tried alone")
LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)
REFUSED = Failure(reason=Reason.RECORD_TOO_LARGE, message="too large", delivered=Delivered.NO)


class Sink:
    """Notes what it is asked.

    Attributes:
        asked: the calls so far: what, and for which topics.
        room: while cleared, steps wait for room.
        retry: while cleared, second tries are under way.
        told: what becomes of the records of a step that failed.
    """

    def __init__(self) -> None:
        """Have room, and be quick."""
        self.asked: list[tuple[str, str]] = []
        self.room = asyncio.Event()
        self.room.set()
        self.retry = asyncio.Event()
        self.retry.set()
        self.told = REFUSED

    async def wait_for_room(self, batch: RecordBatch, _deadline: float) -> None:
        """Wait for room."""
        self._note("room", batch.topics)
        await self.room.wait()

    async def hand_over(self, batch: RecordBatch, _deadline: float, *, order: StreamOrder) -> Delivery:
        """Hand over."""
        assert isinstance(order, StreamOrder)
        self._note("hand over", batch.topics)
        waiter = asyncio.get_running_loop().create_future()
        return Delivery(batch, waiter, lambda _: None, now_ms=1, timestamp_types=TimestampTypes(0))

    async def resolve(self, delivery: Delivery, _deadline: float, settled_topics: frozenset[str]) -> list[Outcome]:
        """Try again what may be tried."""
        self._note("resolve", settled_topics)
        await self.retry.wait()
        return [self.told] * len(delivery.batch.records)

    def _note(self, what: str, topics: frozenset[str]) -> None:
        self.asked.append((what, "".join(sorted(topics))))


def batch(topics: str) -> RecordBatch:
    """Return a batch with a record for each topic, one letter each."""
    return RecordBatch.checked([Record("x", topic) for topic in topics], LIMITS)


def within(seconds: float) -> float:
    """Return the deadline so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


class Failing:
    """A stream whose deliveries fail as soon as they are waited for."""

    def __init__(self) -> None:
        """Open it."""
        self.sink = Sink()
        self.stream = KafkaStream(cast("KafkaSink", self.sink))

    async def step(self, topics: str, *, within_s: float = 5.0, fails: bool = True) -> asyncio.Task[list[Outcome]]:
        """Enqueue a step and start to wait for its outcomes."""
        pending = await self.stream.enqueue(batch(topics), deadline=within(within_s))
        delivery: Delivery = pending._delivery  # type: ignore[attr-defined]
        if fails:
            delivery.refused([(0, REFUSED)])
        delivery.pending = 0
        delivery.wake()
        return asyncio.create_task(pending.outcomes())


async def test_good_step_asks_for_nothing_more() -> None:
    """The hot path takes no turn."""
    failing = Failing()
    await (await failing.step("a", fails=False))
    assert [("room", "a"), ("hand over", "a")] == failing.sink.asked


async def test_topics_of_later_steps_are_settled() -> None:
    """A record of an earlier step must not come behind those."""
    failing = Failing()
    pending = await failing.stream.enqueue(batch("ab"), deadline=within(5))
    await failing.step("bc", fails=False)
    delivery: Delivery = pending._delivery  # type: ignore[attr-defined]
    delivery.refused([(0, REFUSED)])
    delivery.wake()
    assert [REFUSED] * 2 == await pending.outcomes()
    assert ("resolve", "b") == failing.sink.asked[-1]


async def test_no_step_is_handed_over_while_an_earlier_one_is_tried_again() -> None:
    """Else it might be stored first."""
    failing = Failing()
    failing.sink.retry.clear()
    first = await failing.step("a")
    async with asyncio.timeout(5):
        while ("resolve", "") not in failing.sink.asked:
            await asyncio.sleep(0)
    second = asyncio.create_task(failing.step("a"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert [("room", "a"), ("hand over", "a"), ("resolve", "")] == failing.sink.asked
    failing.sink.retry.set()
    await first
    await (await second)
    assert [("room", "a"), ("hand over", "a"), ("resolve", "")] * 2 == failing.sink.asked


async def test_failed_step_is_answered_in_time_though_a_later_one_waits_for_room() -> None:
    """At its own deadline, with nothing tried again."""
    failing = Failing()
    first_at = asyncio.get_running_loop().time()
    pending = await failing.stream.enqueue(batch("a"), deadline=within(0.1))
    failing.sink.room.clear()
    second = asyncio.create_task(failing.step("b"))
    async with asyncio.timeout(5):
        while ("room", "b") not in failing.sink.asked:
            await asyncio.sleep(0)
    delivery: Delivery = pending._delivery  # type: ignore[attr-defined]
    delivery.refused([(0, REFUSED)])
    delivery.wake()
    assert [REFUSED] == await pending.outcomes()
    assert asyncio.get_running_loop().time() - first_at < 2
    assert ("resolve", "a") == failing.sink.asked[-1]
    failing.sink.room.set()
    await (await second)


async def test_caller_who_leaves_gives_the_turn_back() -> None:
    """Whether it waited for room or for a second try."""
    failing = Failing()
    failing.sink.room.clear()
    waiting = asyncio.create_task(failing.step("a"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    failing.sink.room.set()
    failing.sink.retry.clear()
    outcomes = await failing.step("a")
    async with asyncio.timeout(5):
        while ("resolve", "") not in failing.sink.asked:
            await asyncio.sleep(0)
    outcomes.cancel()
    await asyncio.wait([outcomes])
    failing.sink.retry.set()
    async with asyncio.timeout(5):
        await (await failing.step("a"))


async def test_steps_go_one_at_a_time_after_a_batch_was_refused() -> None:
    """Then the refused record can be tried alone when it is sent again; other topics go on."""
    failing = Failing()
    failing.sink.told = NEIGHBOURS_FAULT
    await (await failing.step("a"))
    again = await failing.stream.enqueue(batch("a"), deadline=within(5))
    behind = asyncio.create_task(failing.stream.enqueue(batch("a"), deadline=within(5)))
    await failing.stream.enqueue(batch("b"), deadline=within(5))
    assert not behind.done()
    delivery: Delivery = again._delivery  # type: ignore[attr-defined]
    delivery.refused([(0, REFUSED)])
    delivery.wake()
    await again.outcomes()
    # No later step had touched the topic.
    assert ("resolve", "") == failing.sink.asked[-1]
    async with asyncio.timeout(5):
        await behind


async def test_step_that_waits_to_its_deadline_is_not_handed_over() -> None:
    """It is certain that it is not written, and would not be a moment later."""
    failing = Failing()
    failing.sink.told = NEIGHBOURS_FAULT
    await (await failing.step("a"))
    await failing.stream.enqueue(batch("a"), deadline=within(5))
    with pytest.raises(RequestFailed) as refused:
        await failing.stream.enqueue(batch("a"), deadline=within(0.05))
    assert (Reason.DEADLINE_EXCEEDED, Delivered.NO) == (refused.value.failure.reason, refused.value.failure.delivered)


async def test_step_that_went_well_holds_nobody_up_who_does_not_read() -> None:
    """Its outcomes may not be asked for until the caller has read those before it."""
    failing = Failing()
    failing.sink.told = NEIGHBOURS_FAULT
    await (await failing.step("a"))
    pending = await failing.stream.enqueue(batch("a"), deadline=within(5))
    delivery: Delivery = pending._delivery  # type: ignore[attr-defined]
    delivery.pending = 0
    delivery.wake()
    async with asyncio.timeout(5):
        await failing.stream.enqueue(batch("a"), deadline=within(20))


async def test_steps_go_on_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is not slow for ever for what another caller once did."""
    failing = Failing()
    failing.sink.told = NEIGHBOURS_FAULT
    await (await failing.step("a"))
    await failing.stream.enqueue(batch("a"), deadline=within(5))
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + 31)
    async with asyncio.timeout(5):
        await failing.stream.enqueue(batch("a"), deadline=within(5))


async def test_caller_who_leaves_holds_nobody_up() -> None:
    """Nor does one whose answer nobody waits for any more."""
    failing = Failing()
    failing.sink.told = NEIGHBOURS_FAULT
    await (await failing.step("a"))
    pending = await failing.stream.enqueue(batch("a"), deadline=within(5))
    outcomes = asyncio.create_task(pending.outcomes())
    behind = asyncio.create_task(failing.stream.enqueue(batch("a"), deadline=within(5)))
    await asyncio.sleep(0)
    outcomes.cancel()
    async with asyncio.timeout(5):
        await behind
