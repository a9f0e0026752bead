"""gRPC-Web: what browsers speak instead of gRPC."""

from __future__ import annotations

import base64
import json
import struct

from tests.envoy.front import Front
from tests.gateway.rest import RestResponse

_PRODUCE = b"/twinpost.v1.ProducerService/Produce"
_TRAILERS = 0x80


def _call(front: Front, method: bytes, *, stub: bytes = b"", text: bool = False) -> RestResponse:
    content_type = b"application/grpc-web-text" if text else b"application/grpc-web+proto"
    message = struct.pack(">BI", 0, 3) + b"abc"
    return front.send(
        method,
        b"POST",
        [(b"Content-Type", content_type), (b"Accept", content_type), (b"X-Grpc-Web", b"1"), (b"stub", stub)],
        base64.b64encode(message) if text else message,
    )


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
