"""The signal that delivery reports are there."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message, Producer

from tests.brokers.client import quiet_logger
from tests.brokers.mock_cluster import MockCluster
from twinpost_server.kafka.report_signal import ReportSignal

TIMEOUT_S = 10.0


class Client:
    """A producer, its signal, and what it reported."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Make a producer that signals."""
        self.reports: list[Message] = []
        self.producer = Producer({"bootstrap.servers": bootstrap_servers}, logger=quiet_logger())
        self.signal = ReportSignal(self.producer)

    def produce(self, records: int) -> None:
        """Send so many records."""
        for _ in range(records):
            self.producer.produce("signalled", b"x", on_delivery=self._note)

    def is_signalled(self, timeout_s: float = 0.0) -> bool:
        """Return whether there is a signal, or one comes within `timeout_s`."""
        return bool(select.select([self.signal.fileno()], [], [], timeout_s)[0])

    def _note(self, error: KafkaError | None, message: Message) -> None:
        assert error is None
        self.reports.append(message)


@pytest.fixture
def client(mock_cluster: MockCluster) -> Iterator[Client]:
    """A producer of the mock cluster that signals."""
    client = Client(mock_cluster.bootstrap_servers)
    yield client
    client.signal.close()
    client.producer.close()


def test_every_report_is_served_by_waiting_for_the_signal_alone(client: Client) -> None:
    """However reports and signals come to follow each other, none is left behind without a signal."""
    sent = 0
    for records in [1, 2, 50, 1, 1000, 1] * 5:
        client.produce(records)
        sent += records
        while len(client.reports) < sent:
            assert client.is_signalled(TIMEOUT_S), f"{len(client.reports)} of {sent} reports, and no signal"
            client.signal.clear()
            client.producer.poll(0)
    assert sent == len(client.reports)


def test_there_is_no_signal_without_a_report(client: Client) -> None:
    """Once cleared and served, it is silent until the next report."""
    assert not client.is_signalled()
    client.produce(1)
    assert client.is_signalled(TIMEOUT_S)
    client.signal.clear()
    client.producer.poll(0)
    assert not client.is_signalled()


def test_a_closed_signal_leaves_the_client_as_it_was(mock_cluster: MockCluster) -> None:
    """The client goes on without it, and its descriptors are free again."""
    client = Client(mock_cluster.bootstrap_servers)
    client.produce(1)
    assert client.is_signalled(TIMEOUT_S)
    client.signal.close()
    client.produce(1)
    assert 0 == client.producer.flush(TIMEOUT_S)
    assert 2 == len(client.reports)
    client.producer.close()
