"""What a REST request brings along: its body and its headers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.envoy import http2
from tests.envoy.front import Front


def _metadata(received: dict[str, Any]) -> dict[str, str]:
    return dict(received["metadata"])


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("body", [b"", b"[]", bytes(range(256)), b"x" * 1_000_000])
def test_the_body_arrives_byte_for_byte(front: Front, method: bytes, body: bytes) -> None:
    """With GET and with POST, text or not, and more than fits into one buffer."""
    assert body == base64.b64decode(front.send(b"/produce/t", method, body=body).json()["body"])


def test_a_chunked_body_arrives_whole(front: Front) -> None:
    """The pieces of `Transfer-Encoding: chunked` are put together."""
    head = b"POST /produce HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"2\r\n[1\r\n2\r\n,2\r\n1\r\n]\r\n0\r\n\r\n"

    assert b"[1,2]" == base64.b64decode(front.exchange(head + chunks).json()["body"])


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(front: Front) -> None:
    """As curl does with bodies of a certain size."""
    with front.connect() as connection:
        connection.sendall(b"POST /produce HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(1000)


def test_a_compressed_body_arrives_compressed(front: Front) -> None:
    """The worker inflates it under its limit; Envoy would cut it off in silence."""
    compressed = b"\x1f\x8b not really gzip"
    received = front.send(b"/produce/t", b"POST", [(b"Content-Encoding", b"gzip")], compressed).json()

    assert compressed == base64.b64decode(received["body"])
    assert "gzip" == _metadata(received)["content-encoding"]


@pytest.mark.parametrize(
    "content_type",
    [b"application/x-www-form-urlencoded", b"text/plain", b"application/json; charset=utf-8", b"multipart/form-data"],
)
def test_the_content_type_arrives_and_changes_nothing(front: Front, content_type: bytes) -> None:
    """`curl -d` says that JSON is a form."""
    received = front.send(b"/produce/t", b"POST", [(b"Content-Type", content_type)], b'{"value":"a=b&c"}').json()

    assert (content_type.decode(), b'{"value":"a=b&c"}') == (
        received["content_type"],
        base64.b64decode(received["body"]),
    )


@pytest.mark.parametrize(
    "content_type",
    [b"application/grpc", b"application/grpc+json", b"application/grpc-web", b"application/grpc-web-text"],
)
def test_a_grpc_content_type_does_not_lead_around_the_transcoder(front: Front, content_type: bytes) -> None:
    """The route says what a request is, so the worker's REST service has it, with its body."""
    received = front.send(b"/produce/t", b"POST", [(b"Content-Type", content_type)], b"{}").json()

    assert ("/produce/t", "POST", b"{}") == (received["target"], received["method"], base64.b64decode(received["body"]))


def test_credentials_deadline_and_trace_arrive(front: Front) -> None:
    """What the worker reads of the headers comes through as it was sent."""
    headers = {
        "authorization": "Basic bXl1c2VyOm15cGFzcw==",
        "request-timeout": "0.5",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "idempotency-key": "k-1",
    }
    received = front.send(b"/produce/t", headers=[(k.encode(), v.encode()) for k, v in headers.items()]).json()

    assert headers == {name: value for name, value in _metadata(received).items() if name in headers}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-envoy-original-path", b"/produce/evil"),
        (b"x-envoy-original-method", b"DELETE"),
        (b"x-envoy-retry-on", b"5xx"),
        (b"x-envoy-upstream-rq-timeout-ms", b"1"),
        (b"x-http-status", b"207"),
        (b"x-twinpost-user", b"root"),
        (b"X-TwinPost-User", b"root"),
        (b"grpc-timeout", b"1n"),
        (b"grpc-encoding", b"bogus"),
        (b"grpc-trace-bin", b"!!!"),
        (b"grpc-previous-rpc-attempts", b"x"),
        (b"x-foo-bin", b"not base64"),
        (b"x!#$%&'*+^`|~", b"legal in HTTP, not in gRPC"),
    ],
)
def test_what_a_caller_may_not_say_is_taken_out(front: Front, name: bytes, value: bytes) -> None:
    """Neither Envoy's and the worker's own words, nor what would fail the call inside the worker, get through."""
    response = front.send(b"/produce/t/m", headers=[(name, value)])

    assert (200, None) == (response.status, response.headers["x-http-status"])
    received = response.json()
    assert ("/produce/t/m", "GET") == (received["target"], received["method"])
    told = [pair for pair in received["metadata"] if pair[0] == name.decode().lower()]
    assert value.decode() not in [pair[1] for pair in told]
    assert len(told) == (1 if name.startswith(b"x-envoy-original") else 0)


def test_what_a_caller_may_not_say_is_taken_out_on_http2_too(front: Front) -> None:
    """The same, where names need no parsing."""
    headers = http2.get(b"/produce/t/m", (b"x-envoy-original-path", b"/evil"), (b"x-twinpost-user", b"root"))
    with front.connect() as connection:
        body = http2.body(http2.exchange(connection, [*headers, (b"a-bin", b"!"), (b"a$", b"")]))

    assert b'"target": "/produce/t/m"' in body
    assert not [word for word in (b"evil", b"root", b"a-bin", b"a$") if word in body]


def test_strange_but_legal_headers_do_no_harm(front: Front) -> None:
    """Bytes beyond ASCII in a value, an empty value, an underscore, a named connection header, an unknown upgrade."""
    headers = [
        (b"User-Agent", b"caf\xc3\xa9"),
        (b"X-Latin", b"\xe9"),
        (b"X-Empty", b""),
        (b"x_y", b"1"),
        (b"Connection", b"keep-alive, x-foo, upgrade"),
        (b"Upgrade", b"websocket"),
        (b"X-Foo", b"1"),
        (b"TE", b"gzip"),
    ]

    assert "/produce/t/m" == front.send(b"/produce/t/m", headers=headers).json()["target"]
