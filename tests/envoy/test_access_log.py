"""What is logged of a request, and what never is."""

from __future__ import annotations

import json

import pytest

from tests.envoy.front import Front, eventually

_PRODUCE = "/twinpost.v1.ProducerService/Produce"
_SECRETS = ("s3cret-message", "s3cret-key", "s3cret-body", "s3cret-password", "s3cret-unknown")


def test_everything_is_logged_by_route_and_nothing_by_content(front: Front) -> None:
    """Status, sizes, duration and request id, never path, query, body or credentials."""
    headers = [(b"Authorization", b"s3cret-password")]
    requests = {
        "rest": (b"/produce/t/s3cret-message?key=s3cret-key", headers, b"s3cret-body"),
        "not-found": (b"/s3cret-unknown", [], b""),
        "livez": (b"/livez", [], b""),
        "readyz": (b"/readyz", [], b""),
    }
    ids = {
        route: front.send(target, headers=headers, body=body).headers["x-request-id"]
        for route, (target, headers, body) in requests.items()
    }
    eventually(lambda: set(ids.values()) <= {line.get("request_id") for line in front.log()})

    lines = {line["request_id"]: line for line in front.log() if line.get("request_id") in ids.values()}
    assert set(requests) == {lines[request_id]["route"] for request_id in ids.values()}
    rest = lines[ids["rest"]]
    assert ("GET", 200, "rest", 11) == (rest["method"], rest["status"], rest["route"], rest["request_bytes"])
    assert {"ts", "duration_ms", "response_bytes", "peer", "details"} <= rest.keys()
    logged = json.dumps(list(lines.values()))
    assert not [secret for secret in _SECRETS if secret in logged]


def test_by_default_only_failures_are_logged(plain_front: Front) -> None:
    """Of REST by status, of gRPC by its status too."""
    good = plain_front.send(b"/produce/t").headers["x-request-id"]
    plain_front.call(_PRODUCE)
    failed_id = plain_front.call(_PRODUCE, metadata=(("stub", "abort:PERMISSION_DENIED"),)).trailers["x-request-id"]
    bad = plain_front.send(b"/produce/t?stub=status:401").headers["x-request-id"]
    eventually(lambda: bad in [line.get("request_id") for line in plain_front.log()])

    logged = {line.get("request_id"): (line["route"], line["status"]) for line in plain_front.log()}
    assert good not in logged
    assert (("grpc-unary", 200), ("rest", 401)) == (logged[failed_id], logged[bad])
    assert not [line for line in plain_front.log() if line["status"] == 200 and line.get("grpc_status") == 0]


@pytest.mark.parametrize("content_type", [b"application/grpc-web", b"application/grpc-web-text"])
def test_a_good_call_of_grpc_web_is_no_failure(plain_front: Front, content_type: bytes) -> None:
    """Though its status is in the body, where the log cannot see it."""
    headers = [(b"Content-Type", content_type)]
    body = b"AAAAAAA=" if content_type.endswith(b"text") else bytes(5)
    good = plain_front.send(_PRODUCE.encode(), b"POST", headers, body)
    assert 200 == good.status
    bad = plain_front.send(b"/nowhere").headers["x-request-id"]
    eventually(lambda: bad in [line.get("request_id") for line in plain_front.log()])

    assert good.headers["x-request-id"] not in [line.get("request_id") for line in plain_front.log()]


def test_nothing_is_logged_where_nothing_is_wanted() -> None:
    """envoy.access_log = "none"."""
    with Front.started(envoy={"access_log": "none"}) as front:
        assert 404 == front.send(b"/nowhere").status
        front.stop()
        assert [] == front.log()
