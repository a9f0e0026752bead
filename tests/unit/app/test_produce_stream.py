"""The stream use-case, in front of a sink in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.contract.fake_sink import FakeSink
from twinpost_server.app.produce_stream import ProduceStream
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason
from twinpost_server.core.limits import Limits
from twinpost_server.core.ports import PendingWrite
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.core.quota import Quota, QuotaMeter
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.core.topics import TopicPattern

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=100, body_bytes_max=10_000)
ALICE = Principal("alice", (TopicPattern("orders"),))


async def step(
    stream: ProduceStream, records: Sequence[Record], *, principal: Principal = ANONYMOUS, within_s: float = 60
) -> PendingWrite:
    """Hand over `records` within so many seconds."""
    return await stream.step(principal, records, deadline=asyncio.get_running_loop().time() + within_s)


def reasons(outcomes: Sequence[Outcome]) -> list[tuple[Reason, Delivered] | None]:
    """Return why each record failed, or `None` for those stored."""
    return [(outcome.reason, outcome.delivered) if isinstance(outcome, Failure) else None for outcome in outcomes]


async def test_steps_are_handed_over_without_waiting_for_answers() -> None:
    """A stream goes on while earlier steps are in flight, and tells each one's own outcomes."""
    sink = FakeSink({"orders": 1})
    stream = ProduceStream(sink, LIMITS)
    with sink.paused():
        pending = [await step(stream, [Record(b"%d" % number, "orders")] * 2) for number in range(3)]
    outcomes = [await write.outcomes() for write in pending]
    offsets = [[at.offset for at in told if isinstance(at, RecordMetadata)] for told in outcomes]
    assert [[0, 1], [2, 3], [4, 5]] == offsets


async def test_bad_step_is_told_for_each_of_its_records_and_the_stream_goes_on() -> None:
    """Nothing of it is written; the next one is."""
    sink = FakeSink({"orders": 1})
    stream = ProduceStream(sink, LIMITS)
    bad = await step(stream, [Record("x", "orders"), Record("x", "orders", partition=-1)])
    good = await step(stream, [Record("y", "orders")])
    assert [(Reason.INVALID_RECORD, Delivered.NO)] * 2 == reasons(await bad.outcomes())
    assert [None] == reasons(await good.outcomes())
    assert [b"y"] == [record.value for record in sink.records]


async def test_right_is_asked_for_every_step() -> None:
    """A right that is withdrawn meanwhile counts from the next step on."""
    sink = FakeSink({"orders": 1, "logs": 1})
    stream = ProduceStream(sink, LIMITS)
    before = await step(stream, [Record("x", "logs")])
    after = await step(stream, [Record("x", "logs")], principal=ALICE)
    assert [None] == reasons(await before.outcomes())
    assert [(Reason.TOPIC_FORBIDDEN, Delivered.NO)] == reasons(await after.outcomes())


async def test_refusal_of_the_sink_is_told_for_each_record() -> None:
    """A missing topic does not end a stream."""
    stream = ProduceStream(FakeSink({}), LIMITS)
    pending = await step(stream, [Record("x", "orders")] * 3)
    assert [(Reason.TOPIC_NOT_FOUND, Delivered.NO)] * 3 == reasons(await pending.outcomes())


async def test_refused_step_costs_no_quota() -> None:
    """Whatever comes next would wait for what was never written."""
    caller = Principal("alice", (TopicPattern("*"),), QuotaMeter(Quota(records_per_s=1), lambda: 0.0))
    stream = ProduceStream(FakeSink({"orders": 1}), LIMITS)
    for _ in range(3):
        await step(stream, [Record("x", "nowhere")] * 50, principal=caller)
    stored = await step(stream, [Record("x", "orders")], principal=caller)
    assert [None] == reasons(await stored.outcomes())


async def test_long_refusal_is_told_once() -> None:
    """Ten thousand times some kilobytes would be an answer that no client takes."""
    topics = [f"{'t' * 240}{number}" for number in range(10)]
    pending = await step(ProduceStream(FakeSink({}), LIMITS), [Record("x", topic) for topic in topics], principal=ALICE)
    first, *others = await pending.outcomes()
    assert [(Reason.TOPIC_FORBIDDEN, Delivered.NO)] * 10 == reasons([first, *others])
    assert isinstance(first, Failure)
    assert topics[0] in first.message
    assert {"as the first record of the request, whose error says why"} == {
        other.message for other in others if isinstance(other, Failure)
    }


async def test_empty_step_has_no_outcomes() -> None:
    """It is answered in its turn like any other."""
    assert [] == await (await step(ProduceStream(FakeSink({}), LIMITS), [])).outcomes()


async def test_step_without_room_waits_for_it() -> None:
    """A fast caller is slowed down, and refused only at its deadline."""
    sink = FakeSink({"orders": 1}, in_flight_records_max=1)
    stream = ProduceStream(sink, LIMITS)
    with sink.paused():
        first = await step(stream, [Record("x", "orders")])
        late = await step(stream, [Record("late", "orders")], within_s=0.02)
        waiting = asyncio.create_task(step(stream, [Record("y", "orders")]))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert [(Reason.OVERLOADED, Delivered.NO)] == reasons(await late.outcomes())
    assert [None, None] == reasons(await first.outcomes()) + reasons(await (await waiting).outcomes())
    assert [b"x", b"y"] == [record.value for record in sink.records]


async def test_step_over_the_quota_waits_for_it() -> None:
    """A fast caller is slowed down to its rate, and refused only where its deadline is sooner."""
    loop = asyncio.get_running_loop()
    sink = FakeSink({"orders": 1})
    stream = ProduceStream(sink, LIMITS)
    caller = Principal("alice", (TopicPattern("*"),), QuotaMeter(Quota(records_per_s=20), loop.time))
    await step(stream, [Record("x", "orders")] * 22, principal=caller)
    late = await step(stream, [Record("late", "orders")], principal=caller, within_s=0.02)
    assert [(Reason.QUOTA_EXCEEDED, Delivered.NO)] == reasons(await late.outcomes())
    before = loop.time()
    patient = await step(stream, [Record("y", "orders")], principal=caller)
    assert [None] == reasons(await patient.outcomes())
    assert loop.time() - before > 0.05
