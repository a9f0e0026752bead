"""Brokers, gateways and topics that suites share.

Every broker and gateway is started once per session, on first use, and each test writes to topics of its own. Run
pytest-xdist with `--dist loadgroup`: all tests that use the same shared process belong to one group, and so to one
worker, which keeps "once per session" true.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.embedded import EmbeddedBroker
from tests.brokers.mock_cluster import MockCluster
from tests.gateway.process import DevGateway, Gateway
from tests.gateway.users import write_users_file

_GROUPS = {
    "apache_kafka": "apache-kafka",
    "gateway": "apache-kafka",
    "embedded_broker": "embedded",
    "mock_cluster": "embedded",
    "dev_gateway": "embedded",
}
_TOPIC_LENGTH_MAX = 200


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests by the shared processes they use, for pytest-xdist."""
    for item in items:
        # In the order of the table: a test that uses both kinds belongs where Apache Kafka is.
        names = [name for name in _GROUPS if name in getattr(item, "fixturenames", ())]
        if names and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_GROUPS[names[0]]))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT do what it does by default: what a shell starts in the background begins with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One Apache Kafka broker; topics are not created by themselves."""
    cluster = ApacheKafka(tmp_path_factory.mktemp("apache-kafka"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The embedded broker of `twinpost dev`."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("embedded-broker"))
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def mock_cluster() -> Iterator[MockCluster]:
    """The mock cluster of librdkafka, with one broker."""
    cluster = MockCluster()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def gateway(apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`twinpost serve` in front of Apache Kafka, with default limits and the users of `tests.gateway.users`."""
    directory = tmp_path_factory.mktemp("gateway")
    settings = {
        "kafka": {"bootstrap_servers": apache_kafka.bootstrap_servers},
        "auth": {"users_file": str(write_users_file(directory))},
    }
    running = Gateway.serve(directory, settings)
    yield running
    assert 0 == running.stop()


@pytest.fixture(scope="session")
def dev_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevGateway]:
    """`twinpost dev` as `make run` starts it, on ports of its own."""
    running = DevGateway(tmp_path_factory.mktemp("dev-gateway"))
    yield running
    assert 0 == running.stop()


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes names of topics that no other test uses."""
    stem = re.sub(r"[^a-zA-Z0-9._-]+", "-", request.node.name)[:_TOPIC_LENGTH_MAX].strip("-")
    numbers = count(1)
    return lambda: f"{stem}-{next(numbers)}"
