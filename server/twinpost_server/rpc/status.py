"""The one table from reasons to gRPC and HTTP status codes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from grpc import StatusCode

from twinpost_server.core.errors import Reason

__all__ = ["STATUSES", "Status"]


class Status(NamedTuple):
    """How a reason is told on each protocol."""

    grpc: StatusCode
    http: int


STATUSES: Final = MappingProxyType(
    {
        Reason.MALFORMED_REQUEST: Status(StatusCode.INVALID_ARGUMENT, 400),
        Reason.INVALID_RECORD: Status(StatusCode.INVALID_ARGUMENT, 400),
        Reason.PARTITION_OUT_OF_RANGE: Status(StatusCode.INVALID_ARGUMENT, 400),
        Reason.INVALID_TIMESTAMP: Status(StatusCode.INVALID_ARGUMENT, 400),
        Reason.BROKER_REFUSED: Status(StatusCode.FAILED_PRECONDITION, 400),
        Reason.UNAUTHENTICATED: Status(StatusCode.UNAUTHENTICATED, 401),
        Reason.TOPIC_FORBIDDEN: Status(StatusCode.PERMISSION_DENIED, 403),
        Reason.TOPIC_NOT_FOUND: Status(StatusCode.NOT_FOUND, 404),
        Reason.ROUTE_NOT_FOUND: Status(StatusCode.UNIMPLEMENTED, 404),
        Reason.METHOD_NOT_ALLOWED: Status(StatusCode.UNIMPLEMENTED, 405),
        Reason.BODY_TIMEOUT: Status(StatusCode.DEADLINE_EXCEEDED, 408),
        Reason.RECORD_TOO_LARGE: Status(StatusCode.INVALID_ARGUMENT, 413),
        Reason.REQUEST_TOO_LARGE: Status(StatusCode.INVALID_ARGUMENT, 413),
        Reason.UNSUPPORTED_ENCODING: Status(StatusCode.INVALID_ARGUMENT, 415),
        Reason.OVERLOADED: Status(StatusCode.RESOURCE_EXHAUSTED, 429),
        Reason.QUOTA_EXCEEDED: Status(StatusCode.RESOURCE_EXHAUSTED, 429),
        Reason.INTERNAL: Status(StatusCode.INTERNAL, 500),
        Reason.BROKERS_UNAVAILABLE: Status(StatusCode.UNAVAILABLE, 503),
        Reason.NOT_ENOUGH_REPLICAS: Status(StatusCode.UNAVAILABLE, 503),
        Reason.SHUTTING_DOWN: Status(StatusCode.UNAVAILABLE, 503),
        Reason.BATCH_REFUSED: Status(StatusCode.UNAVAILABLE, 503),
        Reason.BROKER_ERROR: Status(StatusCode.UNAVAILABLE, 503),
        Reason.PRODUCER_FAILED: Status(StatusCode.UNAVAILABLE, 503),
        Reason.BROKER_AUTHENTICATION_FAILED: Status(StatusCode.UNAVAILABLE, 503),
        Reason.GATEWAY_UNAVAILABLE: Status(StatusCode.UNAVAILABLE, 503),
        Reason.DEADLINE_EXCEEDED: Status(StatusCode.DEADLINE_EXCEEDED, 504),
    }
)
"""Every reason has a row. BROKER_REFUSED is FAILED_PRECONDITION since the topic's own rules refuse it (AIP-193)."""
