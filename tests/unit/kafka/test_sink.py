"""What the sink holds."""

from __future__ import annotations

import asyncio
import gc
import weakref

from tests.brokers.mock_cluster import MockCluster
from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.kafka.sink import KafkaSink

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)


class Records(list[Record]):
    """Records that a weak reference can tell of."""


async def test_acknowledged_records_of_a_stream_are_not_held_until_they_are_answered(
    mock_cluster: MockCluster,
) -> None:
    """Nothing counts them any more, and the answer may have to wait for that of an earlier step."""
    mock_cluster.create_topic("held", partitions=1)
    kafka = KafkaSettings(bootstrap_servers=mock_cluster.bootstrap_servers)
    sink = KafkaSink(kafka, LimitSettings(), TimeoutSettings())
    try:
        records = Records([Record(b"x", "held")])
        held = weakref.ref(records)
        deadline = asyncio.get_running_loop().time() + 20
        pending = await sink.open_stream().enqueue(RecordBatch.checked(records, LIMITS), deadline=deadline)
        del records
        async with asyncio.timeout(20):
            while sink.budget.records:
                await asyncio.sleep(0.01)
        gc.collect()
        assert held() is None
        assert [RecordMetadata] == [type(outcome) for outcome in await pending.outcomes()]
    finally:
        await sink.close(timeout_s=5)
