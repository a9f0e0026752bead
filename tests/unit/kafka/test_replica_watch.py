"""Which partitions have too few replicas in sync, with a cluster that answers as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record
from twinpost_server.kafka.cluster_admin import ClusterAdmin, TopicReplicas
from twinpost_server.kafka.replica_watch import ReplicaWatch

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)


class Cluster:
    """Tells how the replicas of topics are.

    Attributes:
        in_sync: how many replicas of each partition of each topic are in sync, two of which are demanded.
        asked: how often each topic was looked at.
    """

    def __init__(self, **in_sync: list[int]) -> None:
        """Have these topics."""
        self.in_sync = in_sync
        self.asked: Counter[str] = Counter()

    async def replicas(self, topic: str) -> TopicReplicas:
        """Answer, or fail for a topic that is not there."""
        await asyncio.sleep(0)
        self.asked[topic] += 1
        if topic not in self.in_sync:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return TopicReplicas(dict(enumerate(self.in_sync[topic])), 2)


@pytest.fixture
def cluster() -> Cluster:
    """A topic that is whole, one with a weak partition, one with none that can be written."""
    return Cluster(whole=[3, 2], weak=[1, 2], lost=[1, 1])


@pytest.fixture
async def watch(cluster: Cluster) -> AsyncIterator[ReplicaWatch]:
    """A watch over the cluster."""
    watch = ReplicaWatch(cast("ClusterAdmin", cluster))
    yield watch
    watch.close()
    await asyncio.sleep(0)


async def looked(watch: ReplicaWatch, cluster: Cluster, topic: str) -> None:
    """Suspect `topic` and return once it was looked at."""
    asked = cluster.asked[topic]
    watch.suspect(topic)
    async with asyncio.timeout(5):
        while asked == cluster.asked[topic]:
            await asyncio.sleep(0)
    await asyncio.sleep(0)


def refusal(watch: ReplicaWatch, *records: Record) -> Reason | None:
    """Return why `records` are refused, if they are."""
    try:
        watch.check(RecordBatch.checked(records, LIMITS))
    except RequestFailed as refused:
        failure = refused.failure
    else:
        return None
    assert Delivered.NO is failure.delivered
    return failure.reason


async def test_unsuspected_topic_is_let_through_unseen(watch: ReplicaWatch, cluster: Cluster) -> None:
    """The hot path asks nobody."""
    assert (None, {}) == (refusal(watch, Record("x", "lost")), cluster.asked)


@pytest.mark.parametrize(
    ("topic", "partition", "expected"),
    [
        ("whole", None, None),
        ("whole", 0, None),
        ("weak", None, None),
        ("weak", 0, Reason.NOT_ENOUGH_REPLICAS),
        ("weak", 1, None),
        ("lost", None, Reason.NOT_ENOUGH_REPLICAS),
        ("lost", 1, Reason.NOT_ENOUGH_REPLICAS),
    ],
)
async def test_record_that_could_only_wait_is_refused(
    watch: ReplicaWatch, cluster: Cluster, topic: str, partition: int | None, expected: Reason | None
) -> None:
    """A record whose partition may still be a good one has its chance; neighbours do not change that."""
    await looked(watch, cluster, topic)
    assert expected == refusal(watch, Record("x", "other"), Record("x", topic, partition=partition))


async def test_short_topic_is_known_as_such(watch: ReplicaWatch, cluster: Cluster) -> None:
    """A record that ran out of time is told why."""
    for topic in ("whole", "weak"):
        await looked(watch, cluster, topic)
    assert (False, True, False) == (watch.is_short("whole"), watch.is_short("weak"), watch.is_short("other"))


async def test_healed_topic_is_let_through_again(watch: ReplicaWatch, cluster: Cluster) -> None:
    """It is looked at until it has healed, without anybody asking."""
    await looked(watch, cluster, "lost")
    cluster.in_sync["lost"] = [2, 2]
    async with asyncio.timeout(5):
        while watch.is_short("lost"):
            await asyncio.sleep(0.01)
    assert None is refusal(watch, Record("x", "lost", partition=0))


async def test_short_topic_is_looked_at_until_it_has_healed(watch: ReplicaWatch, cluster: Cluster) -> None:
    """Again and again, and it stays refused meanwhile."""
    await looked(watch, cluster, "lost")
    async with asyncio.timeout(5):
        while cluster.asked["lost"] < 2:
            assert Reason.NOT_ENOUGH_REPLICAS is refusal(watch, Record("x", "lost"))
            await asyncio.sleep(0.01)
    assert watch.is_short("lost")


async def test_topic_that_cannot_be_looked_at_is_let_through(watch: ReplicaWatch, cluster: Cluster) -> None:
    """Not knowing is no reason to refuse, even where the topic was short before."""
    await looked(watch, cluster, "lost")
    del cluster.in_sync["lost"]
    async with asyncio.timeout(5):
        while watch.is_short("lost"):
            await asyncio.sleep(0.01)
    assert None is refusal(watch, Record("x", "lost"))


async def test_suspicions_of_one_topic_share_one_watch(watch: ReplicaWatch, cluster: Cluster) -> None:
    """A thousand slow records ask once."""
    for _ in range(1000):
        watch.suspect("lost")
    await looked(watch, cluster, "lost")
    assert 1 == cluster.asked["lost"]


async def test_number_of_watched_topics_is_bounded(watch: ReplicaWatch, cluster: Cluster) -> None:
    """A request that names thousands of topics does not start thousands of watches."""
    cluster.in_sync = {f"t{number}": [1] for number in range(1000)}
    for topic in cluster.in_sync:
        watch.suspect(topic)
    async with asyncio.timeout(5):
        while len(cluster.asked) < 256:
            await asyncio.sleep(0)  # without a bound, all thousand would have asked in the same turn
    assert 256 == len(cluster.asked)
