"""The gateway under conformance: `twinpost serve` in front of Apache Kafka."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.conformance.doors import Clients
from tests.gateway.native import NativeClient
from tests.gateway.process import Gateway


@pytest.fixture
def clients(gateway: Gateway, granted_topic: None) -> Iterator[Clients]:  # noqa: ARG001 - the topic must be there
    """Clients of the gateway for every door."""
    with NativeClient.opened(gateway.address) as native:
        yield Clients(gateway.port, native)


@pytest.fixture(scope="session")
def granted_topic(apache_kafka: ApacheKafka) -> None:
    """The topic that the corpus's prefix grant is about."""
    apache_kafka.create_topic("orders.eu")
