"""The three-broker cluster that fault tests stand on does what a cluster does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.waiting import wait_for

pytestmark = [pytest.mark.xdist_group("apache-kafka"), pytest.mark.timeout(180)]

TOPIC = "replicated"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Three brokers with a topic of three replicas, of which two must be in sync."""
    brokers = ApacheKafka(tmp_path_factory.mktemp("cluster"), brokers=3)
    brokers.create_topic(TOPIC)
    yield brokers
    brokers.close()


def test_a_killed_leader_is_replaced_and_can_come_back(cluster: ApacheKafka) -> None:
    """Within seconds, on its old ports and with its old data."""
    killed = cluster.leader(TOPIC, 0)

    killed.process.kill()
    wait_for(
        lambda: set(cluster.client.leaders(TOPIC).values()) == cluster.nodes.keys() - {killed.node_id},
        "new leaders",
        timeout_s=30,
    )
    killed.start()
    cluster.wait_until_answering()

    wait_for(
        lambda: cluster.client.in_sync_replicas(TOPIC, 0) == cluster.nodes.keys(),
        "three replicas in sync",
        timeout_s=30,
    )
