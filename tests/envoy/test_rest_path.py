"""The request target arrives at the worker as it was sent."""

from __future__ import annotations

import base64
import json

import pytest

from tests.envoy import http2
from tests.envoy.front import Front

_BODY = b'{"value": "true body"}'


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "target",
    [
        b"/produce",
        b"/produce?",
        b"/produce/",
        b"/produce//",
        b"/produce/t",
        b"/produce/t/",
        b"/produce/t//",
        b"/produce/t/a/",
        b"/produce/t/a//",
        b"/produce/t/a//b",
        b"/produce/t/a%2Fb",
        b"/produce/t/%2F",
        b"/produce/%2F/m",
        b"/produce/t/.",
        b"/produce/t/..",
        b"/produce/t/../x",
        b"/produce/t/%2e%2e/x",
        b"/produce/t/a\\b",
        b"/produce/t/12:30",
        b"/produce/t/x:",
        b"/produce/t:verb",
        b"/produce/t/a+b",
        b"/produce/t/a%2Bb?key=a+b",
        b'/produce/t/{"a":1}',
        b"/produce/t/<>|^`",
        b"/produce/t/*",
        b"/produce/t/**",
        b"/produce/t/;a=b&c",
        b"/produce/t/%00",
        b"/produce/t/%0D%0A",
        b"/produce/t/%FF",
        b"/produce/t/%zz",
        b"/produce/t/%",
        b"/produce/t/%E2%82%AC",
        b"/produce/t/m?key=",
        b"/produce/t/m?key",
        b"/produce/t/m?",
        b"/produce/t/m??",
        b"/produce/t/m?key=1&key=2",
    ],
)
def test_the_target_arrives_as_it_was_sent(front: Front, method: bytes, target: bytes) -> None:
    """No slash, dot, colon, brace or percent sign is touched, with a body or without one."""
    for body in (b"", _BODY):
        received = front.send(target, method, body=body).json()

        assert (target.decode(), method.decode()) == (received["target"], received["method"])
        assert body == base64.b64decode(received["body"])


@pytest.mark.parametrize(
    "query",
    [
        "topic=evil",
        "x=1",
        "body=eHh4",
        "body.data=eHh4",
        "body.data",
        "body.data=%FF",
        "body.data.x=1",
        "body..data=eHh4",
        "body.%64ata=eHh4",
        "body%2Edata=eHh4",
        "Body.data=eHh4",
        "body[data]=eHh4",
        "body.content_type=evil",
        "body.contentType=evil",
        "body.extensions=1",
        "body.extensions.type_url=x",
        "body.extensions.value=x",
        "body.foo=1",
        "x=1&body.data=eHh4&x=2",
        "=",
        "&&",
        ".=1",
        "%00=1",
        "%FF=%FF",
    ],
)
def test_no_query_parameter_touches_the_message(front: Front, query: str) -> None:
    """The transcoder binds no query parameter; the worker sees all of them and the true body."""
    for target, method, body in (
        (f"/produce/t?{query}", b"POST", _BODY),
        (f"/produce/t/m?{query}", b"GET", b""),
    ):
        received = front.send(target.encode(), method, [(b"Content-Type", b"text/x")], body).json()

        assert target == received["target"]
        assert (body, "text/x") == (base64.b64decode(received["body"]), received["content_type"])


def test_a_path_of_60_kilobytes_arrives(front: Front) -> None:
    """A long message in the path passes, on HTTP/1.1 and HTTP/2 alike."""
    target = b"/produce/t/" + b"%41" * 20_000

    assert target.decode() == front.send(target).json()["target"]
    with front.connect() as connection:
        assert target.decode() == json.loads(http2.body(http2.exchange(connection, http2.get(target))))["target"]


def test_an_absolute_target_is_reduced_to_its_path(front: Front) -> None:
    """A server must accept the absolute form (RFC 9112, 3.2.2)."""
    assert "/produce/t/m?key=1" == front.send(b"http://elsewhere/produce/t/m?key=1").json()["target"]


@pytest.mark.parametrize(
    "target", [b"/produce/t/\xc3\xa9", b"/produce/t/\xff", b"/produce/t/a b", b"/produce/t/a\x01", b"/produce/t/a#b"]
)
def test_bytes_that_must_be_encoded_are_refused(front: Front, target: bytes) -> None:
    """What no URL may hold is a clear 400, never a guess at what was meant."""
    response = front.send(target)

    assert 400 == response.status
    assert ("MALFORMED_REQUEST", "no") == (response.json()["reason"], response.json()["delivered"])


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/grpc", b"application/grpc-web"])
@pytest.mark.parametrize("target", ["/produce/t/é".encode(), b"/produce/t/\xff"])
def test_bytes_that_must_be_encoded_are_refused_on_http2_too(front: Front, target: bytes, content_type: bytes) -> None:
    """HTTP/2 lets them in, and gRPC would hand them to the worker as text of an unknown encoding."""
    request = http2.get(target, (b"content-type", content_type))
    with front.connect() as connection:
        answer = json.loads(http2.body(http2.exchange(connection, request)))

    assert (400, "MALFORMED_REQUEST", "no") == (answer["status"], answer["reason"], answer["delivered"])
