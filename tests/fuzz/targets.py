"""What is fuzzed: one function for each reader of callers' bytes, which raises where a promise is broken."""

from __future__ import annotations

import gzip
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Payload, Record
from twinpost_server.core.topics import is_topic_name
from twinpost_server.rpc.codec import decode_request, decode_step
from twinpost_server.rpc.deadline import parse_timeout_s
from twinpost_server.rpc.rest_body import inflated, is_gzip
from twinpost_server.rpc.rest_json import RestDecoder, encode_failure
from twinpost_server.rpc.rest_target import parse_target
from twinpost_server.rpc.rich_error import to_status
from twinpost_server.security.basic import parse

__all__ = ["TARGETS"]

_LIMITS: Final = Limits(record_bytes_max=1000, record_headers_max=5, request_records_max=20, body_bytes_max=4096)
_STRICT: Final = RestDecoder(_LIMITS, unknown_fields="refuse")
_LENIENT: Final = RestDecoder(_LIMITS, unknown_fields="ignore")

_ANSWER_BYTES_MAX: Final = 64 * 1024
_STATUS_BYTES_MAX: Final = 6 * 1024
"""In base64 this is what gRPC clients of every language take in trailers."""

_INTERNALS: Final = ("Traceback", "msgspec", "<class", "<built-in", " object at 0x")
_CALLERS_FAULT: Final = frozenset(
    {
        Reason.MALFORMED_REQUEST,
        Reason.INVALID_RECORD,
        Reason.RECORD_TOO_LARGE,
        Reason.REQUEST_TOO_LARGE,
        Reason.UNSUPPORTED_ENCODING,
        Reason.ROUTE_NOT_FOUND,
        Reason.METHOD_NOT_ALLOWED,
        Reason.UNAUTHENTICATED,
    }
)


def _assert_tellable(failure: Failure) -> None:
    """Assert that a refusal blames the caller, and can be told on both protocols."""
    assert failure.reason in _CALLERS_FAULT
    answer = encode_failure(failure, ())
    assert len(answer) < _ANSWER_BYTES_MAX
    assert failure.message == json.loads(answer)["error"]
    assert len(to_status(failure).SerializeToString()) < _STATUS_BYTES_MAX
    assert [] == [word for word in _INTERNALS if word in failure.message]


def _checked(records: Sequence[Record]) -> None:
    try:
        batch = RecordBatch.checked(records, _LIMITS)
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
    else:
        assert all(map(is_topic_name, batch.topics))


def rest_json(data: bytes) -> None:
    """Whatever JSON is taken is what the standard library reads; whatever is not, is explained."""
    mode, body = data[:1], data[1:]
    topic = "t" if mode < b"\x80" else None
    strict = mode < b"\x40" or mode >= b"\xc0"
    decoder = _STRICT if strict else _LENIENT
    decoded = decoder.decode(body, topic)
    if decoded is None:
        failure = decoder.explain(body, topic)
        if failure is not None:
            _assert_tellable(failure)
            return
        decoded = decoder.decode(body, topic, names_checked=True)
    if decoded is None:
        return
    document = _standard(body, strict=strict)
    messages = document if isinstance(document, list) else [document]
    assert decoded.single is not isinstance(document, list)
    assert [_fields(message, topic) for message in messages] == [_own_fields(record) for record in decoded.records]
    _checked(decoded.records)


def _standard(body: bytes, *, strict: bool) -> Any:  # noqa: ANN401 - JSON is anything
    """Return what the standard library reads; in what is ignored, it may be more particular than we are."""
    return json.loads(
        body.decode(errors="strict" if strict else "replace"),
        parse_int=lambda digits: int(digits) if len(digits) <= sys.get_int_max_str_digits() else None,
    )


def _fields(message: Any, topic: str | None) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    headers = [(header["key"], header["value"]) for header in message.get("headers") or []]
    given = message.get("topic")
    return (
        *(message["value"], topic if given is None else given, message.get("key")),
        *(message.get("partition"), message.get("timestamp"), headers),
    )


def _own_fields(record: Record) -> tuple[Any, ...]:
    headers = [(header.key, header.value) for header in record.headers or []]
    return (record.value, record.topic, record.key, record.partition, record.timestamp, headers)


def gzip_body(data: bytes) -> None:
    """What is inflated is what the standard library inflates, and never more than is allowed."""
    try:
        body = inflated(data, bytes_max=_LIMITS.body_bytes_max)
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
    else:
        assert len(body) <= _LIMITS.body_bytes_max
        assert gzip.decompress(data) == body
    try:
        is_gzip(data[:10].decode("latin-1"))
    except RequestFailed as failed:
        _assert_tellable(failed.failure)


def rest_target(data: bytes) -> None:
    """What is read from a target is what a second reading finds."""
    mode, target = data[:1], "/produce" + data[1:].decode("latin-1")
    method = "GET" if mode < b"\x80" else "POST"
    try:
        read = parse_target(method, target, has_body=mode >= b"\xc0")
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
        return
    path, _, query = target.partition("?")
    _, _, topic, message, *_ = [*path.split("/", 3), "", ""]
    assert read.topic is None or is_topic_name(read.topic)
    assert (read.topic or "").encode() == unquote_to_bytes(topic)
    if read.message is None:
        assert (None, "") == (read.key, message)
    else:
        assert read.message.encode() == unquote_to_bytes(message)
        keys = [] if read.key is None else [("key", read.key)]
        assert keys == parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=None)


def protobuf(data: bytes) -> None:
    """A request, or a step of a stream, that is taken says the same once it is written and read again."""
    try:
        records = decode_request(data, _LIMITS)
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
    else:
        again = producer_service_pb2.ProduceRequest(records=map(_message, records)).SerializeToString()
        assert records == decode_request(again, _LIMITS)
        _checked(records)
    try:
        sequence, records, refusals = decode_step(data, _LIMITS)
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
    else:
        assert 0 <= sequence < 2**64
        assert not (records and refusals)
        assert len(refusals) <= _LIMITS.request_records_max


def _message(record: Record) -> record_pb2.Record:
    headers = [record_pb2.Header(key=header.key, value=_bytes(header.value)) for header in record.headers or []]
    return record_pb2.Record(
        topic=record.topic,
        partition=record.partition,
        timestamp=record.timestamp,
        key=_bytes(record.key),
        value=_bytes(record.value),
        headers=headers,
    )


def _bytes(payload: Payload) -> bytes | None:
    return payload.encode() if isinstance(payload, str) else payload


def header_values(data: bytes) -> None:
    """Deadlines are numbers, and credentials are what they say."""
    text = data.decode("latin-1")
    try:
        timeout_s = parse_timeout_s(text)
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
    else:
        assert timeout_s > 0
        assert math.isfinite(timeout_s)
        assert float(text) == timeout_s
    try:
        credentials = parse(f"Basic {text}")
    except RequestFailed as failed:
        _assert_tellable(failed.failure)
    else:
        assert ":" not in credentials.name


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = MappingProxyType(
    {
        "rest_json": rest_json,
        "gzip_body": gzip_body,
        "rest_target": rest_target,
        "protobuf": protobuf,
        "header_values": header_values,
    }
)
"""The targets by name; each has a folder of that name in `corpus`."""
