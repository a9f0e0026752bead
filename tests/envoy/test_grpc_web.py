"""gRPC-Web: what browsers speak instead of gRPC."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
from http.client import HTTPResponse

import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.envoy.front import Front, eventually
from tests.gateway.rest import RestResponse
from twinpost_server.envoy.admin import EnvoyAdmin

_PRODUCE = b"/twinpost.v1.ProducerService/Produce"
_TRAILERS = 0x80


def _call(
    front: Front, method: bytes, *, stub: bytes = b"", text: bool = False, timeout: bytes = b"10S"
) -> RestResponse:
    content_type = b"application/grpc-web-text" if text else b"application/grpc-web+proto"
    message = struct.pack(">BI", 0, 3) + b"abc"
    headers = [(b"Content-Type", content_type), (b"Accept", content_type), (b"X-Grpc-Web", b"1")]
    headers += [(b"Origin", b"http://console.example"), (b"grpc-timeout", timeout), (b"stub", stub)]
    return front.send(method, b"POST", headers, base64.b64encode(message) if text else message)


def _frames(body: bytes) -> list[tuple[int, bytes]]:
    frames = []
    while body:
        flags, length = struct.unpack(">BI", body[:5])
        frames.append((flags, body[5 : 5 + length]))
        body = body[5 + length :]
    return frames


def test_a_call_is_answered_with_its_trailers_in_the_body(front: Front) -> None:
    """On HTTP/1.1, where browsers see no trailers."""
    message, trailers = _frames(_call(front, _PRODUCE).body)

    assert 3 == json.loads(message[1])["bytes"]
    assert _TRAILERS == trailers[0]
    assert b"grpc-status:0" in trailers[1]


def test_the_text_form_is_answered_in_base64(front: Front) -> None:
    """For clients that want a stream while it comes."""
    response = _call(front, _PRODUCE, text=True)

    assert "application/grpc-web-text" in response.headers["content-type"]
    assert b'"bytes": 3' in base64.b64decode(response.body)


def test_a_failure_of_the_worker_arrives(front: Front) -> None:
    """Code and message are headers where there is no message."""
    headers = _call(front, _PRODUCE, stub=b"abort:PERMISSION_DENIED").headers

    assert ("7", "said the worker") == (headers["grpc-status"], headers["grpc-message"])


def test_the_rest_service_cannot_be_called(front: Front) -> None:
    """As with native gRPC."""
    assert "12" == _call(front, b"/twinpost.v1.ProducerRestService/Produce").headers["grpc-status"]


def _cut_short(front: Front, *, stub: bytes) -> RestResponse:
    """Call with a whole message, and end the body with a chunk that is none once a worker has the call."""
    message = struct.pack(">BI", 0, 3) + b"abc"
    head = (
        b"POST " + _PRODUCE + b" HTTP/1.1\r\nHost: twinpost\r\nContent-Type: application/grpc-web+proto\r\n"
        b"Transfer-Encoding: chunked\r\nstub: " + stub + b"\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(head + b"%x\r\n" % len(message) + message + b"\r\n")
        eventually(lambda: asyncio.run(EnvoyAdmin(front.admin_socket).active_requests()) > 0)
        connection.sendall(b"no size\r\n")
        answer = HTTPResponse(connection)
        answer.begin()
        return RestResponse(answer.status, answer.headers, answer.read())


def _assert_told_by_envoy(response: RestResponse, code: int, reason: str, delivered: str) -> None:
    """Assert that `response` is an error that clients of gRPC-Web read whole: 200, no body, everything in headers."""
    headers = response.headers
    details = headers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert (200, b"", str(code), status.message) == (
        response.status,
        response.body,
        headers["grpc-status"],
        headers["grpc-message"],
    )
    assert (code, reason, delivered) == (status.code, info.reason, info.metadata["delivered"])


@pytest.mark.parametrize("text", [False, True])
def test_envoys_own_refusal_arrives_whole(front: Front, *, text: bool) -> None:
    """A client that sees another HTTP status than 200 looks neither at grpc-status nor at the details."""
    _assert_told_by_envoy(_call(front, b"/a.B/C", text=text), 12, "ROUTE_NOT_FOUND", "no")


def test_a_worker_that_does_not_answer_is_told_whole(brisk_front: Front) -> None:
    """As on native gRPC, and not as if the gateway had not been there."""
    _assert_told_by_envoy(_call(brisk_front, _PRODUCE, stub=b"hang"), 4, "DEADLINE_EXCEEDED", "unknown")


def test_a_body_that_goes_wrong_after_its_message_may_have_been_written(front: Front) -> None:
    """The worker had the whole message before Envoy met what is no chunk."""
    _assert_told_by_envoy(_cut_short(front, stub=b"hang"), 3, "MALFORMED_REQUEST", "unknown")


def test_a_page_of_an_allowed_origin_reads_that_a_worker_is_missing_or_lost() -> None:
    """And so whether its records may have been written; the headers that tell it are exposed."""
    with Front.started(rest={"cors_origins": ["http://console.example"]}) as front:
        missing = _call(front, _PRODUCE)
        malformed = _call(front, _PRODUCE, timeout=b"soon")
        with front.worker():
            lost = _call(front, _PRODUCE, stub=b"die")

    _assert_told_by_envoy(malformed, 3, "MALFORMED_REQUEST", "no")
    _assert_told_by_envoy(missing, 14, "GATEWAY_UNAVAILABLE", "no")
    _assert_told_by_envoy(lost, 14, "GATEWAY_UNAVAILABLE", "unknown")
    for response in (missing, lost):
        assert "http://console.example" == response.headers["access-control-allow-origin"]
        exposed = set(response.headers["access-control-expose-headers"].split(", "))
        assert {"grpc-status", "grpc-message", "grpc-status-details-bin"} <= exposed
