"""librdkafka's mock cluster: brokers inside this process that speak Kafka's protocol over loopback sockets."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from confluent_kafka import cimpl

from tests.brokers.client import ClusterClient

__all__ = ["MockCluster"]

_RD_KAFKA_PRODUCER = 0
_PRODUCE_API_KEY = 0


class MockCluster:
    """A cluster whose answers can be made to fail, one by one.

    It speaks the protocol truly but has few of a broker's rules: no unknown topics, no timestamps it refuses, and its
    reports say 1234 for every timestamp. Its C interface (rdkafka_mock.h) is in the library that the Python package
    brings, and is called there directly, since that package passes on only the option to have such a cluster.

    Attributes:
        bootstrap_servers: its addresses.
        client: asks it.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        """Start `brokers` mock brokers."""
        self._library = _library()
        self._host = self._library.rd_kafka_new(_RD_KAFKA_PRODUCER, None, None, 0)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._host, brokers)
        self._brokers = brokers
        self.bootstrap_servers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self.client = ClusterClient(self.bootstrap_servers)

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create the topic `name`; the mock cluster knows no settings of topics."""
        assert config is None
        error = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, self._brokers)
        assert error == 0

    def fail_produce_requests(self, errors: Sequence[int]) -> None:
        """Answer the produce requests to come with these codes (as in `KafkaError`), one each; 0 lets one through."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, _PRODUCE_API_KEY, len(errors), codes)

    def set_round_trip(self, round_trip_ms: int) -> None:
        """Hold every answer back for `round_trip_ms`."""
        for broker in range(1, self._brokers + 1):
            error = self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, round_trip_ms)
            assert error == 0

    def paused(self) -> AbstractContextManager[None]:
        """Refuse: a cluster inside this process cannot be frozen alone."""
        raise NotImplementedError

    def close(self) -> None:
        """End the cluster."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._host)


def _library() -> ctypes.CDLL:
    # Looked up through the extension module, names of the library it is linked to are found wherever that may lie.
    library = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_new", pointer, (number, pointer, text, ctypes.c_size_t)),
        ("rd_kafka_destroy", None, (pointer,)),
        ("rd_kafka_mock_cluster_new", pointer, (pointer, number)),
        ("rd_kafka_mock_cluster_destroy", None, (pointer,)),
        ("rd_kafka_mock_cluster_bootstraps", text, (pointer,)),
        ("rd_kafka_mock_topic_create", number, (pointer, text, number, number)),
        ("rd_kafka_mock_broker_set_rtt", number, (pointer, ctypes.c_int32, number)),
        (
            "rd_kafka_mock_push_request_errors_array",
            None,
            (pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)),
        ),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
