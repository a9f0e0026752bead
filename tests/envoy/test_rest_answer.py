"""What becomes of a worker's answer on its way to a REST caller."""

from __future__ import annotations

import pytest

from tests.envoy.front import Front


@pytest.mark.parametrize("status", [200, 207, 400, 401, 403, 404, 413, 415, 429, 500, 503, 504])
def test_the_worker_names_the_status(front: Front, status: int) -> None:
    """`x-http-status` becomes the status and leaves no trace; the body is the worker's."""
    response = front.send(b"/produce/t?stub=status:%d" % status)

    assert status == response.status
    assert f"/produce/t?stub=status:{status}" == response.json()["target"]
    assert response.headers["x-http-status"] is None


def test_the_headers_of_the_worker_pass(front: Front) -> None:
    """A challenge, a delay and allowed methods reach the caller."""
    headers = front.send(b"/produce/t?stub=status:401").headers

    assert ('Basic realm="twinpost"', "7", "GET, POST") == (
        headers["www-authenticate"],
        headers["retry-after"],
        headers["allow"],
    )


def test_nothing_of_grpc_or_envoy_shows(front: Front) -> None:
    """The headers of an answer are HTTP's, the worker's, and the request id."""
    headers = front.send(b"/produce/t").headers

    assert {"content-type", "content-length", "date", "x-request-id"} == {name.lower() for name in headers}


@pytest.mark.parametrize("failure", ["raise", "abort:UNAVAILABLE", "abort:UNIMPLEMENTED", "abort:RESOURCE_EXHAUSTED"])
def test_a_worker_that_fails_as_grpc_does_is_a_fault_without_internals(front: Front, failure: str) -> None:
    """The worker's REST service always ends with OK; anything else is a bug, and its text is not for callers."""
    response = front.send(f"/produce/t?stub={failure}".encode())

    assert 500 == response.status
    answer = response.json()
    assert (500, "INTERNAL", False, "unknown") == tuple(
        answer[name] for name in ("status", "reason", "retriable", "delivered")
    )
    assert b"10.0.0.1" not in response.body
    assert not [name for name in response.headers if name.lower().startswith("grpc-")]


def test_a_worker_that_fails_after_its_headers_is_not_taken_for_success(front: Front) -> None:
    """Even with the status 200 named before, the failure shows."""
    assert 500 == front.send(b"/produce/t?stub=abort-late:INTERNAL").status


def test_an_answer_of_ten_thousand_records_passes(front: Front) -> None:
    """The limit of answers is far above what the limit of records can make."""
    assert 10_000_000 == len(front.send(b"/produce/t?stub=bytes:10000000").body)


def test_every_answer_has_a_request_id_of_its_own(front: Front) -> None:
    """The caller's own is not taken over, so that ids in the log cannot be forged."""
    ids = [
        front.send(target, headers=[(b"X-Request-Id", b"mine")]).headers["x-request-id"]
        for target in (b"/produce/t", b"/produce/t?stub=raise", b"/nowhere", b"/livez", b"/readyz")
    ]

    assert 5 == len({value for value in ids if value is not None and value != "mine"})


def test_the_worker_has_the_request_id_that_the_caller_gets(front: Front) -> None:
    """So that a caller's report leads to the line in the log."""
    response = front.send(b"/produce/t")

    assert response.headers["x-request-id"] == dict(response.json()["metadata"])["x-request-id"]
