"""Several batches of one partition under way at once, and the first of them refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from tests.brokers.ledger import read_topic
from tests.brokers.mock_cluster import MockCluster
from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.kafka.sink import KafkaSink

TOPIC = "pipelined"
LIMITS = Limits(record_bytes_max=2**20, record_headers_max=1000, request_records_max=10_000, body_bytes_max=2**24)


@pytest.fixture
def faulty_cluster() -> Iterator[MockCluster]:
    """A mock cluster of the test's own, slow enough for several requests to be on their way."""
    cluster = MockCluster()
    cluster.create_topic(TOPIC, partitions=1)
    cluster.set_round_trip(100)
    yield cluster
    cluster.close()


@pytest.mark.parametrize("in_flight_requests_max", [1, 5])
@pytest.mark.parametrize(
    "refusal", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_ENOUGH_REPLICAS]
)
async def test_a_refused_batch_is_not_acknowledged_because_a_later_one_is_stored(
    faulty_cluster: MockCluster, refusal: int, in_flight_requests_max: int
) -> None:
    """What is acknowledged is in the log, at the offset told.

    A broker that is just becoming the leader refuses the first batch of a producer and, having no state of that
    producer, may accept the second. librdkafka then takes the second's success for the first's as well: its report has
    no error and no offset, and the record is nowhere. Seen on Apache Kafka with topics just created.
    """
    faulty_cluster.fail_produce_requests([refusal])
    # Two such records do not fit into one batch (librdkafka's batch.size).
    records = [Record(b"%d" % n * 600_000, TOPIC) for n in range(3)]
    kafka = KafkaSettings(
        bootstrap_servers=faulty_cluster.bootstrap_servers, in_flight_requests_max=in_flight_requests_max
    )
    sink = KafkaSink(kafka, LimitSettings(), TimeoutSettings())
    try:
        deadline = asyncio.get_running_loop().time() + 10
        outcomes = await sink.write(RecordBatch.checked(records, LIMITS), deadline=deadline)
    finally:
        await sink.close(timeout_s=5)

    held = {record.offset: record.value for record in read_topic(faulty_cluster.bootstrap_servers, TOPIC)}
    for record, outcome in zip(records, outcomes, strict=True):
        assert not isinstance(outcome, RecordMetadata) or record.value == held.get(outcome.offset), outcome
