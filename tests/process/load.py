"""Steady load on both protocols, and what became of every record of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count

import grpc

from tests.brokers.ports import LOOPBACK
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

__all__ = ["Load"]

_TIMEOUT_S = 20.0
_PAUSE_S = 0.005


@dataclass
class Load:
    """What became of the records of a load, by value.

    Attributes:
        begun: sent, or about to be.
        acknowledged: stored, says the gateway.
        failed: anything else, with what came instead of an acknowledgement.
    """

    begun: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def running(cls, port: int, topic: str, *, rest: int = 4, grpc: int = 2) -> Iterator[Load]:
        """Send records to `topic` through the gateway on `port` until the end of the block.

        Args:
            port: the gateway's public port.
            topic: where the records go.
            rest: how many REST callers there are, each with a connection that it keeps as long as it may.
            grpc: how many gRPC callers there are, each with a channel of its own.
        """
        load = cls()
        callers = [load._rest_caller(port, topic)] * rest + [load._grpc_caller(port, topic)] * grpc
        threads = [threading.Thread(target=caller, args=(f"caller-{n}",)) for n, caller in enumerate(callers)]
        for thread in threads:
            thread.start()
        try:
            yield load
        finally:
            load._stopping.set()
            for thread in threads:
                thread.join()

    @property
    def under_way(self) -> int:
        """How many records are sent and not answered yet."""
        return len(self.begun) - len(self.acknowledged) - len(self.failed)

    @property
    def failures(self) -> Counter[str]:
        """How often what came instead of an acknowledgement."""
        return Counter(self.failed.values())

    def _rest_caller(self, port: int, topic: str) -> Callable[[str], None]:
        def call(name: str) -> None:
            connection = HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_S)
            for value in self._values(name):
                try:
                    connection.request("POST", f"/produce/{topic}", json.dumps({"value": value}))
                    response = connection.getresponse()
                    answer = response.read().decode()
                except (OSError, HTTPException) as error:
                    connection.close()
                    self._note(value, type(error).__name__)
                else:
                    self._note(value, None if response.status == 200 else f"{response.status} {answer}")
            connection.close()

        return call

    def _grpc_caller(self, port: int, topic: str) -> Callable[[str], None]:
        def call(name: str) -> None:
            with grpc.insecure_channel(f"{LOOPBACK}:{port}") as channel:
                stub = producer_service_pb2_grpc.ProducerServiceStub(channel)
                for value in self._values(name):
                    records = [record_pb2.Record(topic=topic, value=value.encode())]
                    try:
                        stub.Produce(producer_service_pb2.ProduceRequest(records=records), timeout=_TIMEOUT_S)
                    except grpc.RpcError as error:
                        self._note(value, str(error.code()))
                    else:
                        self._note(value, None)

        return call

    def _values(self, name: str) -> Iterator[str]:
        for number in count():
            if self._stopping.is_set():
                return
            value = f"{name} {number}"
            self.begun.append(value)
            yield value

    def _note(self, value: str, failure: str | None) -> None:
        if failure is None:
            self.acknowledged.append(value)
        else:
            self.failed[value] = failure
        # The load is to be steady, not to take the processor from the processes under test.
        self._stopping.wait(_PAUSE_S)
