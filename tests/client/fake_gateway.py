"""A gateway in this process, over a real connection, that does to each stream what a test says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2

from tests.brokers.ports import LOOPBACK, free_port
from tests.client.model_gateway import stored
from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Failure
from twinpost_server.rpc.rich_error import to_status
from twinpost_server.rpc.status import STATUSES

__all__ = ["Abort", "CutOff", "FakeGateway", "Hang", "Results", "Script", "Step", "Stream", "refused"]

Step = producer_service_pb2.ProduceStreamRequest
Results = Sequence[record_pb2.RecordResult]

_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Abort(Exception):
    """The call ends with this status.

    Attributes:
        code: the status code.
        status: the rich status that goes with it; without one, the call ends as if a proxy had ended it.
    """

    code: grpc.StatusCode
    status: status_pb2.Status | None = None


def refused(failure: Failure) -> Abort:
    """Return the end of a call as the gateway itself makes it."""
    return Abort(STATUSES[failure.reason].grpc, to_status(failure))


class CutOff(Exception):
    """The connection breaks."""


class Hang(Exception):
    """Nothing more comes, until the caller or the test gives up."""


@dataclass
class Stream:
    """A stream as the gateway sees it.

    Attributes:
        metadata: the call's.
        steps: what came, the greeting included.
        half_closed: set once the caller has.
    """

    metadata: dict[str, str | bytes] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    half_closed: threading.Event = field(default_factory=threading.Event)


Script = Callable[[Stream, Step], Results]
"""What becomes of a step: its results, or one of the endings above, raised."""


class FakeGateway:
    """Stores what no script decides over, in a log.

    Attributes:
        log: every record stored, in order.
        scripts: one for each stream to come.
        otherwise: the script of streams beyond those; by default everything is stored.
        streams: those that came.
        calls: the requests of unary calls.
        produce: answers a unary call; by default it stores.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        """Begin with an empty log, and no scripts; `running` starts it, with TLS where it has `credentials`."""
        self._credentials = credentials
        self.log: list[record_pb2.Record] = []
        self.scripts: deque[Script] = deque()
        self.otherwise: Script = lambda _, step: self.store(step.records)
        self.streams: list[Stream] = []
        self.calls: list[producer_service_pb2.ProduceRequest] = []
        self.produce: Callable[[producer_service_pb2.ProduceRequest], Results] = lambda request: self.store(
            request.records
        )
        self._port = free_port()
        self._released = threading.Event()
        self._server: grpc.Server | None = None

    @classmethod
    @contextmanager
    def running(cls, credentials: grpc.ServerCredentials | None = None) -> Iterator[FakeGateway]:
        """Serve until the end of the block."""
        gateway = cls(credentials)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Serve, on the same port each time."""
        self._released.clear()
        self._server = grpc.server(ThreadPoolExecutor(16), options=(("grpc.so_reuseport", 0),))
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Produce": grpc.unary_unary_rpc_method_handler(self._produce),
            "ProduceStream": grpc.stream_stream_rpc_method_handler(self._produce_stream),
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("twinpost.v1.ProducerService", handlers),)
        )
        if self._credentials is None:
            assert self._port == self._server.add_insecure_port(self.address)
        else:
            assert self._port == self._server.add_secure_port(self.address, self._credentials)
        self._server.start()

    def stop(self) -> None:
        """Break every connection."""
        self._released.set()
        if self._server is not None:
            self._server.stop(0).wait(_WAIT_S)
            self._server = None

    @property
    def serves(self) -> bool:
        """Whether it is running."""
        return self._server is not None

    def store(self, records: Sequence[record_pb2.Record]) -> Results:
        """Store `records` and return their results."""
        results = []
        for record in records:
            self.log.append(record)
            results.append(stored(len(self.log) - 1))
        return results

    @property
    def values(self) -> list[bytes]:
        """The values in the log."""
        return [record.value for record in self.log]

    def _produce(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        request = producer_service_pb2.ProduceRequest.FromString(data)
        self.calls.append(request)
        try:
            return producer_service_pb2.ProduceResponse(results=self.produce(request)).SerializeToString()
        except Abort as abort:
            self._abort(abort, context)
        except Hang:
            self._released.wait(_WAIT_S)
            return b""

    def _produce_stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        stream = Stream(dict(context.invocation_metadata()))
        script = self.scripts.popleft() if self.scripts else self.otherwise
        self.streams.append(stream)
        context.send_initial_metadata(())
        for data in requests:
            step = Step.FromString(data)
            stream.steps.append(step)
            try:
                results = script(stream, step)
            except Abort as abort:
                self._abort(abort, context)
            except CutOff:
                threading.Thread(target=self.stop).start()
                self._released.wait(_WAIT_S)
                return
            except Hang:
                self._released.wait(_WAIT_S)
                return
            answer = producer_service_pb2.ProduceStreamResponse(sequence=step.sequence, results=results)
            yield answer.SerializeToString()
        stream.half_closed.set()

    @staticmethod
    def _abort(abort: Abort, context: grpc.ServicerContext) -> NoReturn:
        if abort.status is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", abort.status.SerializeToString()),))
        context.abort(abort.code, abort.status.message if abort.status else "said a proxy")
