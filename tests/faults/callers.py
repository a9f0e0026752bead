"""Callers: clients of one protocol each, that send one request at a time and take every answer down."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Protocol

import grpc
from google.rpc import error_details_pb2, status_pb2

from tests.brokers.ports import LOOPBACK
from tests.faults.journal import Acknowledged, Attempt, Failed, Outcome, SentRecord, Unanswered
from tests.gateway.users import MYUSER, User
from twinpost.v1 import producer_service_pb2, producer_service_pb2_grpc, record_pb2

__all__ = ["Caller", "NativeCaller", "RestCaller", "native_request", "rest_body"]

_CHANNEL_OPTIONS = (
    # A channel of its own for each caller, and no waiting longer than a service may be away.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)
_CONNECT_TIMEOUT_S = 5.0
_GRACE_S = 3.0
"""How long after its own deadline a REST caller waits for the answer."""


class Caller(Protocol):
    """Sends requests, one after the other."""

    name: str

    def send(self, topic: str, records: Sequence[SentRecord], *, timeout_s: float) -> Attempt:
        """Send `records`, all for `topic`, and return what came of it; raises nothing."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class RestCaller:
    """POST /produce/{topic} over a connection that is kept.

    Attributes:
        name: how the journal calls it.
    """

    def __init__(self, name: str, port: int, user: User = MYUSER) -> None:
        """Call the gateway on `port` as `user`."""
        self.name = name
        self._connection = HTTPConnection(LOOPBACK, port, timeout=_CONNECT_TIMEOUT_S)
        self._user = user

    def send(self, topic: str, records: Sequence[SentRecord], *, timeout_s: float) -> Attempt:
        """Send `records` and return what came of it."""
        body = rest_body(records)
        headers = {"Authorization": self._user.authorization, "Request-Timeout": f"{timeout_s:g}"}
        began_at = time.monotonic()
        status = ""
        outcomes: list[Outcome]
        new_connection = self._hung_up()
        try:
            if new_connection:
                self._connection.connect()
            self._connection.sock.settimeout(timeout_s + _GRACE_S)
            self._connection.request("POST", f"/produce/{topic}", body, headers)
            response = self._connection.getresponse()
            status, outcomes = str(response.status), _rest_outcomes(response, len(records))
        except (OSError, HTTPException) as error:
            self._connection.close()
            outcomes = [Unanswered(repr(error), new_connection)] * len(records)
        return Attempt(self.name, began_at, time.monotonic(), status, records, outcomes)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _hung_up(self) -> bool:
        """Return whether there is no connection, or one that the gateway has hung up."""
        socket = self._connection.sock
        if socket is not None and select.select([socket], [], [], 0)[0]:
            self._connection.close()
        return self._connection.sock is None


class NativeCaller:
    """`twinpost.v1.ProducerService.Produce` over a channel of its own.

    Attributes:
        name: how the journal calls it.
    """

    def __init__(self, name: str, address: str, user: User = MYUSER) -> None:
        """Call the gateway at `address` as `user`."""
        self.name = name
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = producer_service_pb2_grpc.ProducerServiceStub(self._channel)
        self._metadata = (("authorization", user.authorization),)

    def send(self, topic: str, records: Sequence[SentRecord], *, timeout_s: float) -> Attempt:  # noqa: ARG002 - each record names it
        """Send `records` and return what came of it."""
        request = native_request(records)
        began_at = time.monotonic()
        call = self._stub.Produce.future(request, metadata=self._metadata, timeout=timeout_s)
        error = call.exception()
        ended_at = time.monotonic()
        outcomes: list[Outcome]
        if error is None:
            outcomes = [_native_outcome(result) for result in call.result().results]
        else:
            outcomes = [_native_failure(call)] * len(records)
        assert len(records) == len(outcomes)
        return Attempt(self.name, began_at, ended_at, call.code().name, records, outcomes)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


def rest_body(records: Sequence[SentRecord]) -> bytes:
    """Return the body that carries `records` to `POST /produce/{topic}`."""
    return json.dumps([_message(record) for record in records]).encode()


def native_request(records: Sequence[SentRecord]) -> producer_service_pb2.ProduceRequest:
    """Return the request that carries `records`."""
    return producer_service_pb2.ProduceRequest(records=[_record(record) for record in records])


def _message(record: SentRecord) -> dict[str, Any]:
    message: dict[str, Any] = {"value": record.value.decode()}
    if record.key is not None:
        message["key"] = record.key.decode()
    if record.partition is not None:
        message["partition"] = record.partition
    if record.timestamp is not None:
        message["timestamp"] = record.timestamp
    if record.headers:
        message["headers"] = [{"key": key, "value": (value or b"").decode()} for key, value in record.headers]
    return message


def _rest_outcomes(response: HTTPResponse, records: int) -> list[Outcome]:
    assert "application/json" == response.headers.get_content_type(), (response.status, response.read())
    answer = json.loads(response.read())
    results = answer if response.status == 200 else answer.get("results", [answer] * records)
    assert records == len(results), answer
    return [_rest_outcome(result) for result in results]


def _rest_outcome(result: dict[str, Any]) -> Outcome:
    if "offset" in result:
        return Acknowledged(result["partition"], result["offset"], result["timestamp"])
    return Failed(result["reason"], result["delivered"])


def _record(record: SentRecord) -> record_pb2.Record:
    headers = [record_pb2.Header(key=key, value=value) for key, value in record.headers]
    return record_pb2.Record(
        topic=record.topic,
        key=record.key,
        value=record.value,
        headers=headers,
        partition=record.partition,
        timestamp=record.timestamp,
    )


def _native_outcome(result: record_pb2.RecordResult) -> Outcome:
    if result.WhichOneof("result") == "metadata":
        stored = result.metadata
        return Acknowledged(stored.partition, stored.offset, stored.timestamp)
    reason = record_pb2.ErrorReason.Name(result.error.reason).removeprefix("ERROR_REASON_")
    delivered = record_pb2.Delivered.Name(result.error.delivered).removeprefix("DELIVERED_").lower()
    return Failed(reason, delivered)


def _native_failure(call: Any) -> Outcome:  # noqa: ANN401 - the stubs have no name for a call that is a future
    """Return what a failed call tells: the gateway's own word, or else that of the caller's library."""
    trailers = {key: value for key, value in call.trailing_metadata() or () if isinstance(value, bytes)}
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    info = error_details_pb2.ErrorInfo()
    if any(detail.Unpack(info) for detail in status.details):
        return Failed(info.reason, info.metadata["delivered"])
    details = call.details() or ""
    return Unanswered(f"{call.code().name}: {details}", new_connection="failed to connect" in details)
