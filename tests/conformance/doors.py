"""The doors: every way into the gateway, each taking the same messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import grpc

from tests.conformance.corpus import Message, Refusal
from tests.gateway.native import NativeAnswer, NativeClient
from tests.gateway.rest import RestClient, RestResponse
from tests.gateway.users import User
from tests.gateway.web import WebClient
from twinpost.v1 import record_pb2

__all__ = ["DOORS", "Door", "Place", "checked_error"]

_TARGET_LENGTH_MAX = 40_000
"""Longer messages do not go into a path: request headers are bounded, and `%` triples the length."""

_INTERNALS = ("127.0.0.1", "traceback", "proto", "upstream", "envoy", "librdkafka", "transcod", "grpc")
"""Words of the gateway's inside that no caller should read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was stored, as the answer says."""

    topic: str
    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Door:
    """A way in.

    Attributes:
        carries: whether messages can go this way.
        produce: sends messages to a topic as a user; returns where each was stored, or the refusal as far as this door
            tells of it: what it has no word for is empty or zero.
    """

    carries: Callable[[Sequence[Message]], bool]
    produce: Callable[[Clients, str, Sequence[Message], User | None], list[Place] | Refusal]


@dataclass(frozen=True, slots=True)
class Clients:
    """What the doors go through."""

    port: int
    native: NativeClient


def checked_error(response: RestResponse) -> dict[str, Any]:
    """Return the JSON error of `response`, which must have the one shape every error has.

    Its `error` is a sentence for people without a word about the gateway's inside, and its `status` is the HTTP status.
    """
    error: dict[str, Any] = response.json()
    assert {"error", "status", "reason", "retriable", "delivered"} <= error.keys()
    assert error.keys() <= {"error", "status", "reason", "retriable", "delivered", "violations", "results"}
    assert response.status == error["status"]
    assert isinstance(error["error"], str)
    assert error["error"]
    assert isinstance(error["retriable"], bool)
    assert error["delivered"] in {"no", "unknown", "partial"}
    assert error["reason"] == error["reason"].upper()
    # What is quoted is the caller's own.
    words = re.sub(r"'[^']*'", "", error["error"]).lower()
    assert [] == [word for word in _INTERNALS if word in words], error["error"]
    for violation in error.get("violations", []):
        assert {"path", "problem"} == violation.keys()
    return error


def _unary(clients: Clients, topic: str, messages: Sequence[Message], user: User | None) -> list[Place] | Refusal:
    return _native(messages, clients.native.produce(_records(topic, messages), user))


def _web(clients: Clients, topic: str, messages: Sequence[Message], user: User | None) -> list[Place] | Refusal:
    return _native(messages, WebClient(clients.port, user).produce(_records(topic, messages)))


def _stream(clients: Clients, topic: str, messages: Sequence[Message], user: User | None) -> list[Place] | Refusal:
    answer = clients.native.produce_step(_records(topic, messages), user)
    errors = [result.error for result in answer.results if result.WhichOneof("result") == "error"]
    if not errors:
        # A stream that ends as a call does, for want of credentials; or a step that is stored.
        return _native(messages, answer)
    # A step that is refused leaves the stream alive: its refusal stands for each of its records.
    assert len(errors) == len(answer.results)
    error = errors[0]
    for other in errors[1:]:
        # A long text is told once.
        assert other.message in {error.message, "as the first record of the request, whose error says why"}
        assert (error.reason, error.retriable, error.delivered) == (other.reason, other.retriable, other.delivered)
    assert record_pb2.DELIVERED_NO == error.delivered
    return Refusal(
        reason=record_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_"),
        http=0,
        grpc="",
        retriable=error.retriable,
        violations=0,
    )


def _records(topic: str, messages: Sequence[Message]) -> list[record_pb2.Record]:
    return [
        record_pb2.Record(
            topic=topic,
            partition=message.partition,
            timestamp=message.timestamp,
            key=message.key,
            value=message.value,
            headers=[record_pb2.Header(key=key, value=value) for key, value in message.headers],
        )
        for message in messages
    ]


def _native(messages: Sequence[Message], answer: NativeAnswer) -> list[Place] | Refusal:
    if answer.code is not grpc.StatusCode.OK:
        info = answer.error_info
        assert ("twinpost", "no") == (info.domain, info.metadata["delivered"])
        return Refusal(
            reason=info.reason,
            http=0,
            grpc=answer.code.name,
            retriable=info.metadata["retriable"] == "true",
            violations=len(answer.violations),
        )
    assert ["metadata"] * len(messages) == [result.WhichOneof("result") for result in answer.results]
    places = (result.metadata for result in answer.results)
    return [Place(at.topic, at.partition, at.offset, at.timestamp) for at in places]


def _rest(method: str, *, topic_in_path: bool, object_for_one: bool = False) -> Door:
    def produce(clients: Clients, topic: str, messages: Sequence[Message], user: User | None) -> list[Place] | Refusal:
        documents = [_document(message) | ({} if topic_in_path else {"topic": topic}) for message in messages]
        body: Any = documents[0] if object_for_one else documents
        target = f"/produce/{_in_path(topic)}" if topic_in_path else "/produce"
        response = RestClient(clients.port, user).send(method, target, body=json.dumps(body).encode())
        return _places(response.json()) if response.status == 200 else _refusal(response)

    return Door(lambda messages: _is_text(messages) and (not object_for_one or len(messages) == 1), produce)


def _path(clients: Clients, topic: str, messages: Sequence[Message], user: User | None) -> list[Place] | Refusal:
    [message] = messages
    target = f"/produce/{_in_path(topic)}/{quote(message.value or b'', safe='')}"
    if message.key is not None:
        target += f"?key={quote(message.key, safe='')}"
    response = RestClient(clients.port, user).send("GET", target)
    return _places([response.json()]) if response.status == 200 else _refusal(response)


def _path_carries(messages: Sequence[Message]) -> bool:
    if len(messages) != 1 or not _is_text(messages):
        return False
    [message] = messages
    bare = Message(value=message.value, key=message.key)
    return message == bare and message.value is not None and len(message.value) <= _TARGET_LENGTH_MAX // 3


def _is_text(messages: Sequence[Message]) -> bool:
    return all(message.is_text for message in messages)


def _in_path(topic: str) -> str:
    # A dot may be percent-encoded like any other character, and survives only that way what clients do to paths.
    return quote(topic, safe="").replace(".", "%2E")


def _document(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = {"value": None if message.value is None else message.value.decode()}
    if message.key is not None:
        document["key"] = message.key.decode()
    if message.headers:
        document["headers"] = [{"key": key, "value": (value or b"").decode()} for key, value in message.headers]
    if message.partition is not None:
        document["partition"] = message.partition
    if message.timestamp is not None:
        document["timestamp"] = message.timestamp
    return document


def _places(answer: list[dict[str, Any]]) -> list[Place]:
    for element in answer:
        assert ["topic", "partition", "offset", "timestamp"] == list(element)
        assert [str, int, int, int] == [type(value) for value in element.values()]
    return [Place(**element) for element in answer]


def _refusal(response: RestResponse) -> Refusal:
    error = checked_error(response)
    assert "no" == error["delivered"]
    return Refusal(
        reason=error["reason"],
        http=response.status,
        grpc="",
        retriable=error["retriable"],
        violations=len(error.get("violations", [])),
    )


DOORS: Mapping[str, Door] = {
    "gRPC": Door(lambda _: True, _unary),
    "gRPC, a stream": Door(lambda _: True, _stream),
    "gRPC-Web": Door(lambda _: True, _web),
    "POST /produce": _rest("POST", topic_in_path=False),
    "GET /produce": _rest("GET", topic_in_path=False),
    "POST /produce/{topic}": _rest("POST", topic_in_path=True),
    "GET /produce/{topic}": _rest("GET", topic_in_path=True),
    "POST /produce/{topic}, one object": _rest("POST", topic_in_path=True, object_for_one=True),
    "GET /produce/{topic}/{message}": Door(_path_carries, _path),
}
"""The doors by name."""
