"""The table from reasons to status codes."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from grpc import StatusCode

from twinpost.v1 import record_pb2
from twinpost_server.core.errors import REASONS, Delivered, Reason
from twinpost_server.rpc.status import STATUSES


def test_every_reason_has_a_status() -> None:
    """No reason ends as a bare UNKNOWN."""
    assert set(Reason) == set(STATUSES)


def test_every_reason_is_in_the_contract() -> None:
    """The native contract has the same names, and no others."""
    in_contract = set(record_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert {f"ERROR_REASON_{reason}" for reason in Reason} == in_contract


def test_every_certainty_is_in_the_contract() -> None:
    """The same for `delivered`."""
    in_contract = set(record_pb2.Delivered.keys()) - {"DELIVERED_UNSPECIFIED"}
    assert {f"DELIVERED_{delivered.name}" for delivered in Delivered} == in_contract


@pytest.mark.parametrize("reason", Reason)
def test_http_status_is_one_of_the_contract(reason: Reason) -> None:
    """Only statuses that the REST contract lists, and 500 for faults of ours."""
    assert STATUSES[reason].http in {400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 503, 504}


@pytest.mark.parametrize("reason", Reason)
def test_who_is_to_blame_is_the_same_on_both_protocols(reason: Reason) -> None:
    """A 4xx is never a server's code on gRPC, nor the other way round."""
    servers = {StatusCode.INTERNAL, StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}
    status = STATUSES[reason]
    assert (status.http >= HTTPStatus.INTERNAL_SERVER_ERROR or reason is Reason.BODY_TIMEOUT) == (
        status.grpc in servers
    )


@pytest.mark.parametrize("reason", Reason)
def test_status_that_says_come_back_comes_with_a_delay(reason: Reason) -> None:
    """429 and 503 carry Retry-After."""
    if STATUSES[reason].http in {429, 503}:
        assert REASONS[reason].retry_after_s is not None
