"""Questions to a cluster that does not answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException

from tests.brokers.ports import LOOPBACK
from twinpost_server.kafka import cluster_admin
from twinpost_server.kafka.cluster_admin import ClusterAdmin


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """The address of something that takes connections and says nothing."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield f"{LOOPBACK}:{listener.getsockname()[1]}"


async def test_probe_waits_for_no_other_question(silent_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many topics are looked at, brokers that hang are known to hang within the probe's own time."""
    monkeypatch.setattr(cluster_admin, "_TIMEOUT_S", 1.0)
    admin = ClusterAdmin({"bootstrap.servers": silent_broker})
    looks = [asyncio.create_task(admin.replicas(f"t{number}")) for number in range(60)]
    try:
        async with asyncio.timeout(4):
            with pytest.raises(KafkaException):
                await admin.probe()
        # Else this would show nothing.
        assert not all(look.done() for look in looks)
    finally:
        admin.close()
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
