"""The gRPC server of a worker in this process, over a sink in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from google.api import httpbody_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio

from tests.contract.fake_sink import FakeSink
from twinpost.v1 import producer_rest_service_pb2
from twinpost_server.app.produce import Produce
from twinpost_server.app.produce_stream import ProduceStream
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.health import Health
from twinpost_server.rpc.producer_service import ProducerService
from twinpost_server.rpc.reflection import Reflection
from twinpost_server.rpc.rest_json import RestDecoder
from twinpost_server.rpc.rest_service import ProducerRestService
from twinpost_server.rpc.server import open_server

__all__ = ["LIMITS", "Answer", "Doorkeeper", "Gateway", "Refusal", "TellingSink"]

LIMITS = Limits(record_bytes_max=10_000, record_headers_max=10, request_records_max=1000, body_bytes_max=100_000)
TOPICS = {"greetings": 4, "cities": 4, "one": 1}


class TellingSink(FakeSink):
    """The fake sink, with outcomes of a test's own making.

    Attributes:
        told: what becomes of records with these values, instead of what really did.
        fault: raised by every write, if set.
        deadlines: of the writes so far, on the loop's clock.
    """

    def __init__(self) -> None:
        """Know the usual topics."""
        super().__init__(TOPICS)
        self.told: dict[bytes, Outcome] = {}
        self.fault: BaseException | None = None
        self.deadlines: list[float] = []

    async def write(self, batch: RecordBatch, *, deadline: float) -> list[Outcome]:
        """Store the records, and tell what is to be told."""
        self.deadlines.append(deadline)
        if self.fault is not None:
            raise self.fault
        outcomes = await super().write(batch, deadline=deadline)
        values = [record.value.encode() if isinstance(record.value, str) else record.value for record in batch.records]
        return [
            outcome if value is None else self.told.get(value, outcome)
            for value, outcome in zip(values, outcomes, strict=True)
        ]


class Doorkeeper:
    """An authenticator with a list of callers.

    Attributes:
        callers: by their `authorization`; `None` is who sends none.
        known: those who need not be waited for.
        asked: set once somebody was to be authenticated.
        opens: while cleared, nobody is authenticated.
    """

    def __init__(self) -> None:
        """Let everyone in who sends no credentials."""
        self.callers: dict[str | None, Principal] = {None: ANONYMOUS}
        self.known: dict[str | None, Principal] = self.callers
        self.asked = asyncio.Event()
        self.opens = asyncio.Event()
        self.opens.set()

    def cached(self, authorization: str | None) -> Principal | None:
        """Return the caller if it is known."""
        return self.known.get(authorization)

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller, or refuse it."""
        self.asked.set()
        await self.opens.wait()
        principal = self.callers.get(authorization)
        if principal is None:
            raise RequestFailed(Failure(reason=Reason.UNAUTHENTICATED, message="who are you?"))
        return principal


class Refusal(NamedTuple):
    """How a native call failed."""

    code: StatusCode
    details: str
    info: error_details_pb2.ErrorInfo
    violations: list[str]
    retry_delay_s: float | None

    @classmethod
    def of(cls, error: aio.AioRpcError) -> Refusal:
        """Read the rich status of `error`."""
        trailers = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert (error.code().value[0], error.details()) == (status.code, status.message)
        info, bad_request, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        kinds: tuple[Message, ...] = (info, bad_request, retry)
        found = [type(detail) for packed in status.details for detail in kinds if packed.Unpack(detail)]
        assert len(found) == len(status.details)
        return cls(
            error.code(),
            status.message,
            info,
            [violation.field for violation in bad_request.field_violations],
            retry.retry_delay.ToMilliseconds() / 1000 if type(retry) in found else None,
        )


class Answer(NamedTuple):
    """What Envoy would send on."""

    status: int
    headers: dict[str, str | bytes]
    body: Any

    @property
    def paths(self) -> list[str]:
        """The places that the violations name."""
        return [violation["path"] for violation in self.body["violations"]]


class Gateway:
    """A server and a channel to it.

    Attributes:
        sink: what is behind it.
        doorkeeper: who decides who may call.
        health: what it says of itself.
        service: the native service.
        reflection: the contract, where it is shown.
        channel: the way to it.
        room: raised by the guard's look at the budget, if set.
        admitted: the sizes that the guard was asked about.
    """

    def __init__(self, channel: aio.Channel) -> None:
        """Speak through `channel`."""
        self.channel = channel
        self.sink = TellingSink()
        self.doorkeeper = Doorkeeper()
        self.health = Health()
        self.room: RequestFailed | None = None
        self.admitted: list[int] = []
        self.service: ProducerService
        self.reflection: Reflection | None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        directory: Path,
        *,
        limits: Limits = LIMITS,
        request_timeout_s: float = 20.0,
        stream_age_max_s: float = 3600.0,
        unknown_fields: Literal["refuse", "ignore"] = "refuse",
        reflection_enabled: bool = True,
    ) -> AsyncIterator[Gateway]:
        """Serve on a socket in `directory` inside the block."""
        socket = directory / "s"
        async with aio.insecure_channel(f"unix:{socket}") as channel:
            gateway = cls(channel)
            gateway.reflection = Reflection() if reflection_enabled else None
            produce = Produce(gateway.sink, limits)
            guard = CallGuard(gateway.doorkeeper, gateway._check_room)
            gateway.service = ProducerService(
                produce,
                partial(ProduceStream, gateway.sink, limits),
                guard,
                limits,
                request_timeout_s=request_timeout_s,
                stream_age_max_s=stream_age_max_s,
            )
            server = open_server(
                socket,
                native=gateway.service,
                rest=ProducerRestService(
                    produce,
                    guard,
                    RestDecoder(limits, unknown_fields=unknown_fields),
                    limits,
                    request_timeout_s=request_timeout_s,
                ),
                health=gateway.health,
                reflection=gateway.reflection,
                body_bytes_max=limits.body_bytes_max,
            )
            await server.start()
            try:
                yield gateway
            finally:
                await server.stop(grace=None)

    def _check_room(self, size_bytes: int) -> None:
        self.admitted.append(size_bytes)
        if self.room is not None:
            raise self.room

    def call(
        self,
        request: Message | bytes,
        *,
        method: str = "twinpost.v1.ProducerService/Produce",
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = None,
    ) -> aio.UnaryUnaryCall[bytes, bytes]:
        """Start a native call."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        start: aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/{method}")
        return start(data, metadata=tuple(metadata), timeout=timeout_s)

    async def refused(self, request: Message | bytes, **options: Any) -> Refusal:  # noqa: ANN401 - as for `call`
        """Make a native call that must fail, with the details that every failure carries."""
        try:
            answer = await self.call(request, **options)
        except aio.AioRpcError as error:
            return Refusal.of(error)
        msg = f"answered with {answer!r}"
        raise AssertionError(msg)

    async def rest(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a REST call the way Envoy's transcoder does."""
        request = producer_rest_service_pb2.RestProduceRequest(
            body=httpbody_pb2.HttpBody(content_type="application/x-www-form-urlencoded", data=body)
        )
        metadata = {"x-envoy-original-method": method, "x-envoy-original-path": target, **(headers or {})}
        call = self.call(request, method="twinpost.v1.ProducerRestService/Produce", metadata=tuple(metadata.items()))
        answer = httpbody_pb2.HttpBody.FromString(await call)
        assert answer.content_type == "application/json"
        received = dict(await call.initial_metadata())
        return Answer(int(received.pop("x-http-status", "200")), received, msgspec.json.decode(answer.data))
