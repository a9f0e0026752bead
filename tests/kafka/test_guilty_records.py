"""Records that a topic refuses, beside those of other callers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import read_topic
from tests.contract.backends import KafkaBackend
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.ports import PendingWrite, RecordSink
from twinpost_server.core.records import Payload, Record, RecordMetadata

LIMITS: Final = Limits(record_bytes_max=2**20, record_headers_max=10, request_records_max=1000, body_bytes_max=2**24)
HOUR_MS: Final = 3_600_000


async def write(sink: RecordSink, records: Sequence[Record]) -> list[Outcome]:
    """Write `records`; a refusal of the whole is one of each."""
    deadline = asyncio.get_running_loop().time() + 20
    try:
        return await sink.write(RecordBatch.checked(records, LIMITS), deadline=deadline)
    except RequestFailed as refused:
        return [refused.failure] * len(records)


def in_hours(hours: float) -> int:
    """Return the time then."""
    return time.time_ns() // 1_000_000 + int(hours * HOUR_MS)


async def test_guilty_records_harm_no_other_caller(apache_kafka: ApacheKafka) -> None:
    """Not even one whose records are so many that two batches share them: the first refused, the second stored."""
    topic = "shared-with-the-guilty"
    apache_kafka.create_topic(topic, partitions=1)

    async def innocent(sink: RecordSink, name: str) -> list[bytes]:
        values = [f"{name}-{index}-".encode() + b"x" * 400 for index in range(1000)]
        outcomes = await write(sink, [Record(value, topic) for value in values])
        assert [] == [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        return values

    async def guilty(sink: RecordSink) -> None:
        [failure] = await write(sink, [Record(b"guilty", topic, timestamp=in_hours(24))])
        assert isinstance(failure, Failure)
        assert (Reason.INVALID_TIMESTAMP, Delivered.NO) == (failure.reason, failure.delivered)

    written = []
    async with KafkaBackend(apache_kafka).opened() as sink:
        for number in range(5):
            # At once, so that librdkafka gathers them: what it sends at a time is less than three of the requests.
            async with asyncio.TaskGroup() as callers:
                right = []
                for name in "abcdef":
                    callers.create_task(guilty(sink))
                    right.append(callers.create_task(innocent(sink, f"{name}{number}")))
            written += [task.result() for task in right]

    stored = [record.value or b"" for record in read_topic(apache_kafka.bootstrap_servers, topic)]
    assert sorted(value for values in written for value in values) == sorted(stored)
    for values in written:
        request, _, _ = values[0].partition(b"-")
        assert values == [value for value in stored if value.startswith(request + b"-")]


async def test_guilty_record_of_a_busy_stream_is_named(apache_kafka: ApacheKafka) -> None:
    """Sent again as it is told, though the stream goes on behind it, and though the broker has to judge it."""
    topic = "busy-stream"
    apache_kafka.create_topic(topic, partitions=1)
    guilty = Record(b"guilty", topic, timestamp=in_hours(1) + 30_000)
    to_send = deque(Record(b"%d" % number, topic) for number in range(500))
    to_send.insert(50, guilty)
    left = len(to_send)
    steps: asyncio.Queue[tuple[list[Record], PendingWrite]] = asyncio.Queue(256)
    ends: dict[Payload, Outcome] = {}
    undecided: list[Failure] = []

    async def told() -> None:
        while len(ends) < left:
            records, pending = await steps.get()
            for record, outcome in zip(records, await pending.outcomes(), strict=True):
                if isinstance(outcome, Failure) and outcome.reason is Reason.BATCH_REFUSED:
                    assert Delivered.NO is outcome.delivered
                    to_send.appendleft(record)
                    if record is guilty:
                        undecided.append(outcome)
                elif record.value != b"more":
                    ends[record.value] = outcome

    async with KafkaBackend(apache_kafka).opened() as sink, asyncio.timeout(30):
        stream = sink.open_stream()
        telling = asyncio.create_task(told())
        while not telling.done():
            records = [to_send.popleft() for _ in range(min(5, len(to_send)))] + [Record(b"more", topic)]
            deadline = asyncio.get_running_loop().time() + 20
            step = await stream.enqueue(RecordBatch.checked(records, LIMITS), deadline=deadline)
            put = asyncio.create_task(steps.put((records, step)))
            await asyncio.wait((put, telling), return_when=asyncio.FIRST_COMPLETED)
            put.cancel()
        await telling

    refused = {value for value, outcome in ends.items() if isinstance(outcome, Failure)}
    assert {guilty.value} == refused
    # Steps that were on their way already may meet the second try.
    assert len(undecided) <= 5


async def test_topic_that_comes_to_take_more_is_noticed(apache_kafka: ApacheKafka) -> None:
    """Nothing is refused for long for what a topic once was."""
    topic = "widened"
    apache_kafka.create_topic(topic, partitions=1)
    async with KafkaBackend(apache_kafka).opened() as sink:
        [failure] = await write(sink, [Record(b"v", topic, timestamp=in_hours(2))])
        assert isinstance(failure, Failure)
        assert Reason.INVALID_TIMESTAMP is failure.reason
        bounds = {"message.timestamp.after.max.ms": str(3 * HOUR_MS)}
        await asyncio.to_thread(apache_kafka.client.configure_topic, topic, bounds)
        async with asyncio.timeout(10):
            while isinstance((await write(sink, [Record(b"v", topic, timestamp=in_hours(2))]))[0], Failure):
                # Refusals cost no round trip for a while.
                await asyncio.sleep(0.01)


async def test_topic_that_comes_to_demand_keys_is_noticed(apache_kafka: ApacheKafka) -> None:
    """The broker's refusal of one record is enough to learn of it."""
    topic = "compacted-later"
    apache_kafka.create_topic(topic, partitions=1)
    async with KafkaBackend(apache_kafka).opened() as sink:
        assert [RecordMetadata] == list(map(type, await write(sink, [Record(b"v", topic)])))
        await asyncio.to_thread(apache_kafka.client.configure_topic, topic, {"cleanup.policy": "compact"})
        reasons = []
        async with asyncio.timeout(10):
            while Reason.INVALID_RECORD not in reasons:
                [outcome] = await write(sink, [Record(b"v", topic)])
                if isinstance(outcome, Failure):
                    reasons.append(outcome.reason)
        assert {Reason.BROKER_REFUSED, Reason.INVALID_RECORD} >= set(reasons)
        assert [RecordMetadata] == list(map(type, await write(sink, [Record(b"v", topic, key="k")])))
