"""A failed call on native gRPC: a status with the details of google.rpc (AIP-193)."""

from __future__ import annotations

from typing import Final, NoReturn

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from twinpost_server.core.errors import Failure
from twinpost_server.rpc.call import Call
from twinpost_server.rpc.status import STATUSES

__all__ = ["DOMAIN", "abort", "to_status"]

DOMAIN: Final = "twinpost"
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
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=f"records{violation.path}" if violation.path.startswith("[") else violation.path,
                        description=violation.problem,
                    )
                    for violation in failure.violations
                ]
            )
        )
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


async def abort(context: Call, failure: Failure) -> NoReturn:
    """End the call with `failure`; must be awaited on the call's own task."""
    await context.abort(
        STATUSES[failure.reason].grpc,
        failure.message,
        ((_STATUS_DETAILS_KEY, to_status(failure).SerializeToString()),),
    )
