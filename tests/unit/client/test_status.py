"""How a call ended, as the error of its records."""

from __future__ import annotations

import grpc
import pytest

from twinpost.client import Delivered, RecordError, Violation
from twinpost.client.status import error_of
from twinpost_server.core.errors import REASONS, Failure, Reason
from twinpost_server.core.errors import Delivered as ServerDelivered
from twinpost_server.core.errors import Violation as ServerViolation
from twinpost_server.rpc.rich_error import to_status
from twinpost_server.rpc.status import STATUSES

KEY = "grpc-status-details-bin"


def parts(error: RecordError) -> tuple[str, str, bool, str, float | None, tuple[Violation, ...]]:
    """Return everything an error says."""
    return error.reason, error.message, error.retriable, error.delivered, error.retry_delay_s, error.violations


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("delivered", [ServerDelivered.NO, ServerDelivered.UNKNOWN])
def test_what_the_gateway_tells_is_what_the_caller_is_told(reason: Reason, delivered: ServerDelivered) -> None:
    """Every reason, whatever its code: the status that the gateway makes is read back whole."""
    failure = Failure(
        reason=reason, message="why", delivered=delivered, violations=(ServerViolation("[1].topic", "bad"),)
    )
    trailers: list[tuple[str, str | bytes]] = [("x-request-id", "1"), (KEY, to_status(failure).SerializeToString())]
    assert (
        reason,
        "why",
        REASONS[reason].retriable,
        delivered,
        REASONS[reason].retry_after_s,
        (Violation("records[1].topic", "bad"),),
    ) == parts(error_of(STATUSES[reason].grpc, "why", trailers))


def test_partly_written_request_is_unknown_for_each_record() -> None:
    """`partial` is said of a request; of one record of it nobody knows."""
    failure = Failure(reason=Reason.BROKER_ERROR, message="why", delivered=ServerDelivered.PARTIAL)
    error = error_of(grpc.StatusCode.UNAVAILABLE, "why", [(KEY, to_status(failure).SerializeToString())])
    assert Delivered.UNKNOWN is error.delivered


@pytest.mark.parametrize(
    "trailers",
    [
        [],
        [(KEY, b"\xff\xff")],
        [(KEY, b"")],
        [(KEY, "text")],
        [("other-bin", to_status(Failure(reason=Reason.OVERLOADED, message="x")).SerializeToString())],
    ],
    ids=["none", "garbled", "empty", "text", "other"],
)
@pytest.mark.parametrize(
    ("code", "reason", "retriable"),
    [
        (grpc.StatusCode.UNAVAILABLE, "GATEWAY_UNAVAILABLE", True),
        (grpc.StatusCode.INTERNAL, "GATEWAY_UNAVAILABLE", True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", True),
        (grpc.StatusCode.UNIMPLEMENTED, "ROUTE_NOT_FOUND", False),
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", False),
        (grpc.StatusCode.DATA_LOSS, "INTERNAL", False),
    ],
)
def test_without_the_gateways_word_nothing_is_known(
    code: grpc.StatusCode, reason: str, *, retriable: bool, trailers: list[tuple[str, str | bytes]]
) -> None:
    """A proxy, or the library itself, ended the call: the records may be in the log."""
    error = error_of(code, "", trailers)
    assert (reason, retriable, Delivered.UNKNOWN, None, ()) == (
        error.reason,
        error.retriable,
        error.delivered,
        error.retry_delay_s,
        error.violations,
    )
    assert f"the call ended with {code.name} (no message)" in error.message


def test_details_of_somebody_else_are_not_the_gateways_word() -> None:
    """Another service's ErrorInfo may use the same names for other things."""
    status = to_status(Failure(reason=Reason.OVERLOADED, message="x"))
    status.details[0].value = status.details[0].value.replace(b"twinpost", b"twinlost")
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", [(KEY, status.SerializeToString())])
    assert Delivered.UNKNOWN is error.delivered


def test_error_reads_well() -> None:
    """What a person sees in a traceback."""
    error = RecordError("OVERLOADED", "full", retriable=True)
    assert "OVERLOADED (delivered: no): full" == str(error)
    assert "full; an earlier try may have stored the record" == error.in_doubt().message
    assert error.in_doubt().in_doubt().message == error.in_doubt().message
    assert (
        "full; an earlier try may have stored the record; the record was not sent"
        == error.in_doubt().of_unsent().message
    )
