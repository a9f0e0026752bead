"""A failed call on native gRPC: a status with the details of google.rpc (AIP-193)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from twinpost_server.core.errors import Failure, Violation
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.status import STATUSES

__all__ = ["DOMAIN", "abort", "to_status"]

DOMAIN: Final = "twinpost"
_VIOLATIONS_BYTES_MAX: Final = 3 * 1024
"""Details travel in the trailers, in base64, and clients of most languages take 8 KiB of those; past that a caller
would get RESOURCE_EXHAUSTED of its own library instead of ours. The message says how many violations there are."""

_STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"


def to_status(failure: Failure) -> status_pb2.Status:
    """Return `failure` as a `google.rpc.Status` with ErrorInfo, and BadRequest and RetryInfo where they apply."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=failure.reason,
            domain=DOMAIN,
            metadata={"retriable": str(failure.retriable).lower(), "delivered": failure.delivered},
        )
    ]
    if failure.violations:
        details.append(_bad_request(failure.violations))
    if failure.retry_delay_s is not None:
        retry_delay = duration_pb2.Duration()
        retry_delay.FromMilliseconds(int(failure.retry_delay_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=retry_delay))
    status = status_pb2.Status(code=STATUSES[failure.reason].grpc.value[0], message=failure.message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    for violation in violations:
        bad_request.field_violations.add(
            field=f"records{violation.path}" if violation.path.startswith("[") else violation.path,
            description=violation.problem,
        )
        if bad_request.ByteSize() > _VIOLATIONS_BYTES_MAX:
            del bad_request.field_violations[-1]
            break
    return bad_request


async def abort(context: Call, failure: Failure) -> NoReturn:
    """End the call with `failure`; must be awaited on the call's own task."""
    await context.abort(
        STATUSES[failure.reason].grpc,
        failure.message,
        ((_STATUS_DETAILS_KEY, to_status(failure).SerializeToString()),),
    )
