"""/livez and /readyz."""

from __future__ import annotations

import json

import pytest

from tests.envoy import http2
from tests.envoy.errors import assert_error
from tests.envoy.front import Front, eventually, read_response
from twinpost_server.core.errors import Delivered, Reason


@pytest.mark.parametrize(("target", "status"), [(b"/livez", "alive"), (b"/readyz", "ready"), (b"/readyz?x=1", "ready")])
def test_a_healthy_gateway_says_so_in_json(front: Front, target: bytes, status: str) -> None:
    """Without credentials, and without a word of Envoy's."""
    response = front.send(target)

    assert (200, {"status": status}) == (response.status, response.json())
    assert not [name for name in response.headers if name.lower().startswith("x-envoy")]


@pytest.mark.parametrize("content_type", [b"application/grpc", b"application/grpc-web"])
@pytest.mark.parametrize(("target", "status"), [(b"/livez", "alive"), (b"/readyz", "ready")])
def test_a_healthy_gateway_says_so_whatever_the_content_type(
    front: Front, content_type: bytes, target: bytes, status: str
) -> None:
    """To gRPC, Envoy would answer without a body."""
    response = front.send(target, headers=[(b"Content-Type", content_type)])

    assert (200, {"status": status}) == (response.status, response.json())


def test_a_query_of_any_bytes_changes_nothing(front: Front) -> None:
    """HTTP/2 lets them in."""
    with front.connect() as connection:
        answer = http2.exchange(connection, http2.get(b"/readyz?\xff"))

    assert {"status": "ready"} == json.loads(http2.body(answer))


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
@pytest.mark.parametrize("target", [b"/livez", b"/livez?x=1", b"/readyz", b"/readyz?x=1"])
def test_another_method_is_405(front: Front, method: bytes, target: bytes) -> None:
    """A health check that deletes is a mistake, and is told so."""
    response = front.send(target, method)

    assert_error(response, 405, Reason.METHOD_NOT_ALLOWED, Delivered.NO)
    assert "GET, HEAD" == response.headers["allow"]


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/grpc", b"application/grpc-web"])
@pytest.mark.parametrize(
    ("target", "status"), [(b"/livez", 200), (b"/readyz", 200), (b"/produce/t", 405), (b"/produce/t/m", 405)]
)
def test_head_is_answered_like_get_without_the_body(
    front: Front, content_type: bytes, target: bytes, status: int
) -> None:
    """Load balancers ask so; a body would be taken for the next answer on the connection."""
    ask = b"%s HTTP/1.1\r\nHost: test\r\nContent-Type: %s\r\n\r\n"
    with front.connect() as connection:
        for _ in range(2):
            connection.sendall(ask % (b"HEAD " + target, content_type))
            response = read_response(connection, "HEAD")
            assert (status, b"") == (response.status, response.body)
            assert "application/json" == response.headers["content-type"]
        connection.sendall(ask % (b"GET /livez", b"text/plain"))
        assert {"status": "alive"} == read_response(connection, "GET").json()


def test_readiness_follows_the_brokers_while_requests_still_reach_the_worker() -> None:
    """A worker without brokers is not ready, but its own 503 says more than Envoy's could."""
    with Front.started() as front, front.worker() as worker:
        assert 200 == front.send(b"/readyz").status

        worker.set_health("twinpost.v1.ProducerService", serving=False)
        eventually(lambda: 503 == front.send(b"/readyz").status)
        for content_type in (b"text/plain", b"application/grpc", b"application/grpc-web"):
            response = front.send(b"/readyz", headers=[(b"Content-Type", content_type)])
            assert_error(response, 503, Reason.GATEWAY_UNAVAILABLE, Delivered.NO)
            assert 503 == front.send(b"/readyz", b"HEAD", [(b"Content-Type", content_type)]).status
        assert (200, 200) == (front.send(b"/livez").status, front.send(b"/produce/t").status)

        worker.set_health("twinpost.v1.ProducerService", serving=True)
        eventually(lambda: 200 == front.send(b"/readyz").status)


def test_a_worker_that_gets_no_requests_yet_makes_nothing_ready() -> None:
    """Envoy asks in its own time whether a worker can produce and whether it takes requests: both must be known."""
    with Front.started() as front, front.worker() as worker:
        assert 200 == front.send(b"/readyz").status

        worker.set_health("twinpost.routing", serving=False)
        eventually(lambda: 503 == front.send(b"/readyz").status)
        assert (503, 200) == (front.send(b"/produce/t").status, front.send(b"/livez").status)

        worker.set_health("twinpost.routing", serving=True)
        eventually(lambda: 200 == front.send(b"/readyz").status)
        assert 200 == front.send(b"/produce/t").status


def test_without_any_worker_the_gateway_is_alive_and_not_ready() -> None:
    """Envoy is up, and nothing else."""
    with Front.started() as front:
        assert 200 == front.send(b"/livez").status
        assert_error(front.send(b"/readyz"), 503, Reason.GATEWAY_UNAVAILABLE, Delivered.NO)


def test_one_ready_worker_of_many_slots_is_enough() -> None:
    """Up to 99 workers: Envoy counts in whole percents of all slots."""
    with Front.started(workers=99) as front, front.worker(57):
        eventually(lambda: 200 == front.send(b"/readyz").status)
