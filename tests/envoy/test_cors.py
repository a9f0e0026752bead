"""Calls from a browser's page."""

from __future__ import annotations

import pytest

from tests.envoy.front import Front
from tests.gateway.rest import RestResponse

_ORIGIN = b"http://console.example"
_PRODUCE = b"/twinpost.v1.ProducerService/Produce"


def _preflight(front: Front, target: bytes, origin: bytes) -> RestResponse:
    return front.send(target, b"OPTIONS", [(b"Origin", origin), (b"Access-Control-Request-Method", b"POST")])


@pytest.mark.parametrize("target", [b"/produce", b"/produce/t/m", _PRODUCE])
def test_a_preflight_of_an_allowed_origin_is_granted(front: Front, target: bytes) -> None:
    """For REST and for gRPC-Web, with the headers that clients send."""
    response = _preflight(front, target, _ORIGIN)

    assert 200 == response.status
    assert _ORIGIN.decode() == response.headers["access-control-allow-origin"]
    assert {"GET", "POST"} == set(response.headers["access-control-allow-methods"].split(", "))
    assert {"authorization", "content-type", "request-timeout", "x-grpc-web", "grpc-timeout"} <= set(
        response.headers["access-control-allow-headers"].split(", ")
    )


@pytest.mark.parametrize("target", [b"/produce", _PRODUCE])
def test_a_preflight_of_another_origin_is_not(front: Front, target: bytes) -> None:
    """And it reaches no worker."""
    response = _preflight(front, target, b"http://elsewhere.example")

    assert (None, b"") == (response.headers["access-control-allow-origin"], response.body)


@pytest.mark.parametrize("target", [b"/produce/t", b"/produce/t?stub=status:503", b"/produce/t?stub=raise"])
def test_an_answer_can_be_read_by_an_allowed_origin_only(front: Front, target: bytes) -> None:
    """With the headers a client needs to act on a failure."""
    allowed = front.send(target, headers=[(b"Origin", _ORIGIN)]).headers
    other = front.send(target, headers=[(b"Origin", b"http://elsewhere.example")]).headers

    assert (_ORIGIN.decode(), None) == (allowed["access-control-allow-origin"], other["access-control-allow-origin"])
    assert {"grpc-status", "grpc-message", "grpc-status-details-bin", "retry-after", "x-request-id"} <= set(
        allowed["access-control-expose-headers"].split(", ")
    )


def test_without_origins_there_is_no_cors(plain_front: Front) -> None:
    """A preflight is a method that the route does not take."""
    preflight = _preflight(plain_front, b"/produce", _ORIGIN)
    answer = plain_front.send(b"/produce", headers=[(b"Origin", _ORIGIN)])

    assert (405, 200) == (preflight.status, answer.status)
    headers = [name.lower() for response in (preflight, answer) for name in response.headers]
    assert not [name for name in headers if name.startswith("access-control-")]


def test_a_star_allows_every_origin() -> None:
    """As rest.cors_origins says."""
    with Front.started(rest={"cors_origins": ["*"]}) as front:
        assert "http://any.example" == _preflight(front, b"/produce", b"http://any.example").headers.get(
            "access-control-allow-origin"
        )
