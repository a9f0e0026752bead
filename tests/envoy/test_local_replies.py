"""The answers that Envoy makes by itself: one shape, whatever the cause."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.envoy.errors import assert_error
from tests.envoy.front import Front, eventually
from twinpost_server.core.errors import Delivered, Reason

_PRODUCE = "/twinpost.v1.ProducerService/Produce"


@pytest.mark.parametrize("target", [b"/", b"/nowhere", b"/produced", b"/produce:x", b"//produce/t", b"/livez/x"])
def test_an_unknown_route_is_404(front: Front, target: bytes) -> None:
    """With the routes there are."""
    assert_error(front.send(target), 404, Reason.ROUTE_NOT_FOUND, Delivered.NO)


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE"])
@pytest.mark.parametrize("target", [b"/produce", b"/produce/t", b"/produce/t/m"])
def test_another_method_is_405_with_the_allowed_ones(front: Front, method: bytes, target: bytes) -> None:
    """RFC 9110, 15.5.6: the answer must name them."""
    response = front.send(target, method)

    assert_error(response, 405, Reason.METHOD_NOT_ALLOWED, Delivered.NO)
    assert ("GET" if target.endswith(b"/m") else "GET, POST") == response.headers["allow"]


@pytest.mark.parametrize("content_type", [b"application/grpc", b"application/grpc+json", b"application/grpc-web"])
@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        (b"PUT", b"/produce", "GET, POST"),
        (b"PUT", b"/produce/t/m", "GET"),
        (b"POST", b"/livez", "GET, HEAD"),
        (b"POST", b"/readyz", "GET, HEAD"),
    ],
)
def test_a_refusal_on_rest_is_one_whatever_the_content_type(
    front: Front, content_type: bytes, method: bytes, target: bytes, allow: str
) -> None:
    """To gRPC, Envoy would say 200."""
    response = front.send(target, method, [(b"Content-Type", content_type)])

    assert_error(response, 405, Reason.METHOD_NOT_ALLOWED, Delivered.NO)
    assert (allow, "application/json") == (response.headers["allow"], response.headers["content-type"])
    assert not [name for name in response.headers if name.lower().startswith("grpc-")]


def test_an_unknown_route_is_unimplemented_to_grpc(front: Front) -> None:
    """Also one whose name begins like one of REST."""
    for method in ("/produced.v1.Service/Call", "/livezone/Call", "/readyzone.Service/Call", "/livez/Call"):
        end = front.call(method)
        assert (grpc.StatusCode.UNIMPLEMENTED, "ROUTE_NOT_FOUND") == (end.code, end.error_info.reason)


def test_head_is_405_without_a_body(front: Front) -> None:
    """RFC 9110, 9.3.2."""
    response = front.send(b"/produce/t", b"HEAD")

    assert (405, b"") == (response.status, response.body)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /produce HTTP/1.0\r\n\r\n",
        b"GET /produce HTTP/1.1\r\n\r\n",
        b"BREW /produce HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /produce HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"POST /produce HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /produce HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /produce HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /produce HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /produce HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_400(front: Front, request_bytes: bytes) -> None:
    """Requests that two servers could read differently are among them."""
    assert_error(front.exchange(request_bytes), 400, Reason.MALFORMED_REQUEST, Delivered.NO)


@pytest.mark.parametrize(
    "headers",
    [[(b"X-Long", b"x" * 100_000)], [(b"h%d" % number, b"x") for number in range(101)]],
    ids=["too long", "too many"],
)
def test_headers_over_the_limit_are_431(front: Front, headers: list[tuple[bytes, bytes]]) -> None:
    """Instead of a connection that is just closed."""
    assert_error(front.send(b"/produce", headers=headers), 431, Reason.REQUEST_TOO_LARGE, Delivered.NO)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_names_limit_and_size(brisk_front: Front, *, chunked: bool) -> None:
    """Whether its length was announced or not."""
    body = b"x" * 2049
    framing = (
        b"Transfer-Encoding: chunked\r\n\r\n801\r\n%b\r\n0\r\n\r\n" if chunked else b"Content-Length: 2049\r\n\r\n%b"
    )
    response = brisk_front.exchange(b"POST /produce/t HTTP/1.1\r\nHost: x\r\n" + framing % body)

    assert_error(response, 413, Reason.REQUEST_TOO_LARGE, Delivered.NO)
    assert "over 2048 bytes (limits.body_bytes_max): 2049 had come" in response.json()["error"]


def test_a_body_of_the_limit_passes(brisk_front: Front) -> None:
    """The limit itself is allowed."""
    assert 200 == brisk_front.send(b"/produce/t", b"POST", body=b"x" * 2048).status


@pytest.mark.parametrize(
    "request_bytes", [b"POST /produce HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[", b"GET /pr"]
)
def test_a_request_that_does_not_arrive_is_408(brisk_front: Front, request_bytes: bytes) -> None:
    """Its body (timeouts.body_timeout_s), and its headers."""
    assert_error(brisk_front.exchange(request_bytes), 408, Reason.BODY_TIMEOUT, Delivered.NO)


@pytest.mark.parametrize("content_type", [b"application/json", b"application/grpc"])
def test_a_worker_that_does_not_answer_is_504_unknown(brisk_front: Front, content_type: bytes) -> None:
    """It had the request, so its messages may have been written."""
    response = brisk_front.send(b"/produce/t?stub=hang", headers=[(b"Content-Type", content_type)])

    assert_error(response, 504, Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN)


@pytest.fixture
def occupied_front(brisk_front: Front) -> Iterator[Front]:
    """An Envoy that holds as many requests as limits.concurrent_requests_max allows."""
    with brisk_front.channel() as channel:
        hang: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_PRODUCE)
        calls = [hang.future(b"", metadata=(("stub", "hang"),)) for _ in range(2)]
        eventually(lambda: 2 == brisk_front.stat("cluster.twinpost.upstream_rq_active"))
        yield brisk_front
        for call in calls:
            call.cancel()
        # Else the next test would take these for its own.
        eventually(lambda: not brisk_front.stat("cluster.twinpost.upstream_rq_active"))


@pytest.mark.parametrize("content_type", [b"application/json", b"application/grpc"])
def test_more_requests_than_allowed_are_429_with_a_delay(occupied_front: Front, content_type: bytes) -> None:
    """They never reached a worker."""
    response = occupied_front.send(b"/produce/t", headers=[(b"Content-Type", content_type)])

    assert_error(response, 429, Reason.OVERLOADED, Delivered.NO)


def test_more_native_calls_than_allowed_are_resource_exhausted(occupied_front: Front) -> None:
    """The same on gRPC."""
    end = occupied_front.call(_PRODUCE)

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED") == (end.code, end.error_info.reason)


def test_liveness_answers_while_no_request_is_taken(occupied_front: Front) -> None:
    """A busy gateway is not a dead one."""
    assert (200, 200) == (occupied_front.send(b"/livez").status, occupied_front.send(b"/readyz").status)
