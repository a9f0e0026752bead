"""How a call ended, as an error of each record that it carried."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from twinpost.client.errors import Delivered, RecordError, Violation

__all__ = ["call_error", "channel_closed", "client_fault", "cut_off", "error_of", "no_time_left", "stalled"]

_DOMAIN: Final = "twinpost"
_DETAILS_KEY: Final = "grpc-status-details-bin"

_PLAIN: Final = MappingProxyType(
    {
        # What ends a call when a connection, or a proxy's way to a worker, breaks.
        grpc.StatusCode.ABORTED: ("GATEWAY_UNAVAILABLE", True),
        grpc.StatusCode.CANCELLED: ("GATEWAY_UNAVAILABLE", True),
        grpc.StatusCode.INTERNAL: ("GATEWAY_UNAVAILABLE", True),
        grpc.StatusCode.UNAVAILABLE: ("GATEWAY_UNAVAILABLE", True),
        grpc.StatusCode.UNKNOWN: ("GATEWAY_UNAVAILABLE", True),
        grpc.StatusCode.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED", True),
        grpc.StatusCode.RESOURCE_EXHAUSTED: ("OVERLOADED", True),
        grpc.StatusCode.UNAUTHENTICATED: ("UNAUTHENTICATED", False),
        grpc.StatusCode.UNIMPLEMENTED: ("ROUTE_NOT_FOUND", False),
    }
)
"""Reason and retriability by code, where whoever ended the call was not the gateway, or could not say more."""


def error_of(code: grpc.StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]]) -> RecordError:
    """Return the error of every record of a call that ended with `code`.

    What the gateway says in the rich status (AIP-193) counts. Without one nobody knows how far the call had come, and
    the fate of its records is open.

    Args:
        code: the status, not OK.
        message: its text.
        trailers: the trailing metadata.
    """
    for key, value in trailers:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            told = _told(value)
            if told is not None:
                return told
    reason, retriable = _PLAIN.get(code, ("INTERNAL", False))
    text = message.strip() or "no message"
    return RecordError(
        reason,
        f"the call ended with {code.name} ({text})",
        retriable=retriable,
        delivered=Delivered.UNKNOWN,
    )


def call_error(error: grpc.RpcError) -> RecordError:
    """Return the same for what grpc raised, in either of its two interfaces."""
    # Every error that a call raises is a call itself; the types do not say so.
    call: grpc.Call = error  # type: ignore[assignment]
    return error_of(call.code(), call.details() or "", call.trailing_metadata() or ())


def stalled() -> RecordError:
    """Return the error of records on a stream that was broken off since it did not answer."""
    return RecordError(
        "GATEWAY_UNAVAILABLE",
        "the gateway did not answer in time",
        retriable=True,
        delivered=Delivered.UNKNOWN,
    )


def channel_closed() -> RecordError:
    """Return the error of records that cannot be sent, since the caller has closed the channel."""
    return RecordError("GATEWAY_UNAVAILABLE", "the channel is closed; the record was not sent")


def cut_off() -> RecordError:
    """Return the error of records whose answer does not come, since the channel was closed meanwhile."""
    return RecordError(
        "GATEWAY_UNAVAILABLE", "the channel was closed before the answer came", delivered=Delivered.UNKNOWN
    )


def no_time_left() -> RecordError:
    """Return the error of records whose time was over before they could be sent, or sent again."""
    return RecordError(
        "DEADLINE_EXCEEDED", "the time was over before the records were sent: allow more", retriable=True
    )


def client_fault() -> RecordError:
    """Return the error of records whose answer was lost to a fault of the client's own."""
    return RecordError(
        "INTERNAL",
        "a fault inside the client, which the program's standard error tells more of",
        delivered=Delivered.UNKNOWN,
    )


def _told(details: bytes) -> RecordError | None:
    try:
        status = status_pb2.Status.FromString(details)
    except DecodeError:
        return None
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_delay_s = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_delay_s = retry.retry_delay.ToTimedelta().total_seconds()
        else:
            _ = detail.Unpack(info) or detail.Unpack(bad_request)
    if info.domain != _DOMAIN:
        return None
    return RecordError(
        info.reason,
        status.message,
        retriable=info.metadata.get("retriable") == "true",
        delivered=Delivered.NO if info.metadata.get("delivered") == Delivered.NO else Delivered.UNKNOWN,
        retry_delay_s=retry_delay_s,
        violations=tuple(Violation(found.field, found.description) for found in bad_request.field_violations),
    )
