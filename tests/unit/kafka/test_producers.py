"""Which producer a batch goes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.brokers.mock_cluster import MockCluster
from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record
from twinpost_server.kafka.client_config import producer_config
from twinpost_server.kafka.crowd import WINDOW_REQUESTS
from twinpost_server.kafka.delivery import Delivery
from twinpost_server.kafka.producers import Producers

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)
LINGER_S = 2.0
"""So long that what is sent at once and what is gathered can be told apart on any machine."""


def batch_of(records: int) -> RecordBatch:
    """Return so many records of one topic."""
    return RecordBatch.checked([Record(b"x", "gathered")] * records, LIMITS)


class Timed:
    """Producers, and when their deliveries were settled."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Gather for long."""
        self.settled: list[Delivery] = []
        kafka = KafkaSettings(bootstrap_servers=bootstrap_servers, linger_ms=LINGER_S * 1000 / 2)
        self.producers = Producers(
            producer_config(kafka, LimitSettings(), TimeoutSettings()),
            crowd_linger_ms=kafka.crowd_linger_ms,
            on_settled=self.settled.append,
            on_trouble=lambda _error: None,
        )

    async def took(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Return for each delivery whether it was gathered: whether it took as long as gathering does."""
        return [seconds > LINGER_S / 4 for seconds in await self.seconds(deliveries)]

    async def seconds(self, deliveries: Sequence[Delivery]) -> list[float]:
        """Return how long each delivery took."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()

        async def taken(delivery: Delivery) -> float:
            await delivery.waiter
            return loop.time() - began_at

        return await asyncio.gather(*map(taken, deliveries))


@pytest.fixture
async def timed(mock_cluster: MockCluster) -> AsyncIterator[Timed]:
    """Producers that know the topic and have their connections."""
    timed = Timed(mock_cluster.bootstrap_servers)
    producers = timed.producers
    await producers.lookup("gathered", 10)
    await timed.took(
        [
            producers.submit(batch_of(1), in_order=False),
            producers.submit(batch_of(2), in_order=False),
            producers.submit_alone(batch_of(1)),
        ]
    )
    yield timed
    assert 0 == await producers.close(timeout_s=10)


async def test_a_lone_record_is_sent_at_once(timed: Timed) -> None:
    """Nothing is there to wait for."""
    assert [False] == await timed.took([timed.producers.submit(batch_of(1), in_order=False)])


async def test_records_that_come_together_are_gathered(timed: Timed) -> None:
    """The first of them would otherwise leave without the others."""
    assert [True] == await timed.took([timed.producers.submit(batch_of(2), in_order=False)])


async def test_what_must_keep_its_order_takes_one_way(timed: Timed) -> None:
    """Lone records of a stream too: between two producers nothing keeps an order."""
    batches = [batch_of(records) for records in (1, 2, 1)]
    assert [True] * 3 == await timed.took([timed.producers.submit(batch, in_order=True) for batch in batches])


async def test_a_busy_worker_gathers_lone_records(timed: Timed) -> None:
    """Those that are the third in flight and more."""
    deliveries = [timed.producers.submit(batch_of(1), in_order=False) for _ in range(6)]
    assert [False] * 2 + [True] * 4 == await timed.took(deliveries)


async def test_a_crowd_is_gathered_for_longer(timed: Timed) -> None:
    """Whatever comes in it, but for what has an order to keep."""
    crowd = [timed.producers.submit(batch_of(1), in_order=False) for _ in range(WINDOW_REQUESTS)]
    crowd += [timed.producers.submit(batch_of(records), in_order=False) for records in (1, 2)]
    stream = timed.producers.submit(batch_of(1), in_order=True)
    *_, one, two, ordered = await timed.seconds([*crowd, stream])
    assert ordered < 3 * LINGER_S / 2 < min(one, two)


async def test_records_of_a_topic_that_takes_little_go_alone(timed: Timed) -> None:
    """Each in a batch of its own, and at once."""
    timed.producers.note_batch_bytes_max("gathered", 500_000)
    deliveries = [timed.producers.submit(batch_of(3), in_order=in_order) for in_order in (False, True)]
    assert [False, False] == await timed.took(deliveries)
    timed.producers.note_batch_bytes_max("gathered", 1_048_588)
    assert [True] == await timed.took([timed.producers.submit(batch_of(2), in_order=False)])
