"""A stream whose topics differ in how much they take at once."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import read_topic
from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Outcome
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.kafka.sink import KafkaSink

LARGE, SMALL = "mixed-large", "mixed-small"
LIMITS: Final = Limits(record_bytes_max=2**20, record_headers_max=10, request_records_max=1000, body_bytes_max=2**24)
LINGER_MS: Final = 300
"""So long that a step that is sent at once overtakes one that is gathered, if nothing holds it back."""


async def test_steps_with_a_topic_that_takes_little_do_not_overtake(apache_kafka: ApacheKafka) -> None:
    """Its records are sent alone and at once, and those of other topics in the step with them."""
    apache_kafka.create_topic(LARGE, partitions=1)
    apache_kafka.create_topic(SMALL, partitions=1, config={"max.message.bytes": "10000"})
    kafka = KafkaSettings(bootstrap_servers=apache_kafka.bootstrap_servers, linger_ms=LINGER_MS)
    sink = KafkaSink(kafka, LimitSettings(), TimeoutSettings())
    try:
        stream = sink.open_stream()
        deadline = asyncio.get_running_loop().time() + 20
        pending = []
        for number in range(6):
            records = [Record(b"%d" % number, LARGE)] + [Record(b"x", SMALL)] * (number % 2)
            pending.append(await stream.enqueue(RecordBatch.checked(records, LIMITS), deadline=deadline))
        outcomes: list[Outcome] = [outcome for step in pending for outcome in await step.outcomes()]
    finally:
        await sink.close(timeout_s=5)

    assert {RecordMetadata} == set(map(type, outcomes))
    assert [b"%d" % number for number in range(6)] == [
        record.value for record in read_topic(apache_kafka.bootstrap_servers, LARGE)
    ]


async def test_topic_that_comes_to_take_less_is_noticed(apache_kafka: ApacheKafka) -> None:
    """Small records of a stream are not refused for ever for being gathered."""
    topic = "shrinking"
    apache_kafka.create_topic(topic, partitions=1)
    kafka = KafkaSettings(bootstrap_servers=apache_kafka.bootstrap_servers, linger_ms=20)
    sink = KafkaSink(kafka, LimitSettings(), TimeoutSettings())
    stream = sink.open_stream()
    deadline = asyncio.get_running_loop().time() + 20

    async def burst() -> list[Outcome]:
        step = RecordBatch.checked([Record(b"x" * 1000, topic)], LIMITS)
        pending = [await stream.enqueue(step, deadline=deadline) for _ in range(50)]
        return [outcome for step in pending for outcome in await step.outcomes()]

    try:
        assert {RecordMetadata} == set(map(type, await burst()))
        await asyncio.to_thread(apache_kafka.client.configure_topic, topic, {"max.message.bytes": "10000"})
        assert {RecordMetadata} != set(map(type, await burst()))
        async with asyncio.timeout(10):
            while {RecordMetadata} != set(map(type, await burst())):
                pass
    finally:
        await sink.close(timeout_s=5)
