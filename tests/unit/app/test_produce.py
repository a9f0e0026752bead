"""The produce use-case, in front of a sink in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.contract.fake_sink import FakeSink
from twinpost_server.app.produce import Produce
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.core.quota import Quota, QuotaMeter
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.core.topics import TopicPattern

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=100, body_bytes_max=10_000)
ALICE = Principal("alice", (TopicPattern("orders"),))


async def produce(sink: FakeSink, records: Sequence[Record], *, principal: Principal = ANONYMOUS) -> list[Outcome]:
    """Produce `records` within a minute."""
    return await Produce(sink, LIMITS)(principal, records, deadline=asyncio.get_running_loop().time() + 60)


async def refusal(sink: FakeSink, records: Sequence[Record], *, principal: Principal = ANONYMOUS) -> Failure:
    """Return why `records` are refused; nothing may have been written."""
    with pytest.raises(RequestFailed) as refused:
        await produce(sink, records, principal=principal)
    assert ([], Delivered.NO) == (sink.records, refused.value.failure.delivered)
    return refused.value.failure


async def test_records_are_written_and_told_in_order() -> None:
    """Outcome i belongs to record i."""
    sink = FakeSink({"orders": 2, "logs": 1})
    records = [Record("a", "orders", partition=1), Record("b", "logs"), Record("c", "orders", partition=1)]
    outcomes = await produce(sink, records)
    places = [(at.topic, at.partition, at.offset) for at in outcomes if isinstance(at, RecordMetadata)]
    assert [("orders", 1, 0), ("logs", 0, 0), ("orders", 1, 1)] == places
    assert [b"a", b"b", b"c"] == [record.value for record in sink.records]


async def test_no_records_write_nothing() -> None:
    """An empty request is answered at once, whoever asks."""
    sink = FakeSink({})
    assert [] == await produce(sink, [], principal=Principal("nobody", ()))


async def test_one_bad_record_means_that_nothing_is_written() -> None:
    """The whole request is checked before the first record goes out."""
    sink = FakeSink({"orders": 1})
    failure = await refusal(sink, [Record("x", "orders"), Record("x", "orders", partition=-1)])
    assert Reason.INVALID_RECORD is failure.reason


async def test_topic_without_a_right_is_refused() -> None:
    """One forbidden topic refuses the request, naming user and topic, and not the granted one."""
    sink = FakeSink({"orders": 1, "secret": 1})
    failure = await refusal(sink, [Record("x", "orders"), Record("x", "secret")], principal=ALICE)
    assert Reason.TOPIC_FORBIDDEN is failure.reason
    assert "alice may not write secret:" in failure.message
    assert "orders" not in failure.message


async def test_right_is_asked_before_existence() -> None:
    """Who may not write a topic does not learn whether it exists."""
    reasons = [
        (await refusal(FakeSink(topics), [Record("x", "secret")], principal=ALICE)).reason
        for topics in ({"secret": 1}, dict[str, int]())
    ]
    assert [Reason.TOPIC_FORBIDDEN] * 2 == reasons


@pytest.mark.parametrize(("topics", "shown"), [(2, 2), (10, 10), (11, 10), (100, 10)])
async def test_refusal_names_ten_topics_at_most(topics: int, shown: int) -> None:
    """A request for many topics makes no huge answer; a cut list says that it is cut."""
    failure = await refusal(FakeSink({}), [Record("x", f"t{number}") for number in range(topics)], principal=ALICE)
    assert (shown - 1, topics > shown) == (failure.message.count(", "), "and more" in failure.message)


async def test_refusal_of_the_sink_is_passed_on() -> None:
    """The use-case adds nothing to what the sink knows better."""
    assert Reason.TOPIC_NOT_FOUND is (await refusal(FakeSink({}), [Record("x", "orders")])).reason


async def test_deadline_reaches_the_sink() -> None:
    """Without an acknowledgement in time the outcome is unknown, never no."""
    sink = FakeSink({"orders": 1})
    with sink.paused():
        outcomes = await Produce(sink, LIMITS)(
            ANONYMOUS, [Record("x", "orders")], deadline=asyncio.get_running_loop().time() + 0.01
        )
    assert [Delivered.UNKNOWN] == [outcome.delivered for outcome in outcomes if isinstance(outcome, Failure)]


async def test_quota_counts_records_and_their_bytes() -> None:
    """What is over it is refused before anything is written, with the time to wait."""
    sink = FakeSink({"orders": 1})
    meter = QuotaMeter(Quota(records_per_s=100, bytes_per_s=10), lambda: 0.0)
    caller = Principal("alice", (TopicPattern("*"),), meter)
    await produce(sink, [Record("123456", "orders", key="1234567890")], principal=caller)
    with pytest.raises(RequestFailed) as refused:
        await produce(sink, [Record("x", "orders")], principal=caller)
    failure = refused.value.failure
    assert (Reason.QUOTA_EXCEEDED, Delivered.NO) == (failure.reason, failure.delivered)
    assert pytest.approx(0.6) == failure.retry_delay_s
    assert 1 == len(sink.records)


async def test_refused_request_costs_no_quota() -> None:
    """For a broken rule, a right that is missing, or what the sink refuses."""
    sink = FakeSink({"orders": 1})
    caller = Principal("alice", (TopicPattern("orders"),), QuotaMeter(Quota(records_per_s=1), lambda: 0.0))
    for record in (Record("x", "!"), Record("x", "logs"), Record("x", "orders", partition=7)):
        for _ in range(5):
            with pytest.raises(RequestFailed):
                await produce(sink, [record], principal=caller)
    assert 1 == len(await produce(sink, [Record("x", "orders")], principal=caller))
