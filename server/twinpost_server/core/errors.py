"""The taxonomy of failures: what went wrong, whether to try again, and what is known of the record.

One table, `REASONS`, holds what is true of a reason wherever it appears. Each edge has one more: `kafka/translate.py`
turns a client library's errors into reasons, `rpc/status.py` turns reasons into gRPC and HTTP status codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from twinpost_server.core.records import RecordMetadata

__all__ = [
    "REASONS",
    "SEVERITY",
    "VIOLATIONS_MAX",
    "Delivered",
    "Failure",
    "Outcome",
    "Reason",
    "ReasonRule",
    "RequestFailed",
    "Violation",
]

VIOLATIONS_MAX: Final = 100
"""How many violations one answer names, so that a bad request cannot make a huge answer."""


class Delivered(StrEnum):
    """What is known of a record that was not acknowledged; the values are the ones answers print."""

    NO = "no"
    UNKNOWN = "unknown"
    PARTIAL = "partial"


class Reason(StrEnum):
    """Why a request or a record failed; the same names as `ErrorReason` in `twinpost/v1/record.proto`."""

    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    INVALID_RECORD = "INVALID_RECORD"
    PARTITION_OUT_OF_RANGE = "PARTITION_OUT_OF_RANGE"
    INVALID_TIMESTAMP = "INVALID_TIMESTAMP"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    TOPIC_FORBIDDEN = "TOPIC_FORBIDDEN"
    TOPIC_NOT_FOUND = "TOPIC_NOT_FOUND"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    BODY_TIMEOUT = "BODY_TIMEOUT"
    RECORD_TOO_LARGE = "RECORD_TOO_LARGE"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    UNSUPPORTED_ENCODING = "UNSUPPORTED_ENCODING"
    OVERLOADED = "OVERLOADED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    BROKERS_UNAVAILABLE = "BROKERS_UNAVAILABLE"
    NOT_ENOUGH_REPLICAS = "NOT_ENOUGH_REPLICAS"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    BROKER_REFUSED = "BROKER_REFUSED"
    PRODUCER_FAILED = "PRODUCER_FAILED"
    INTERNAL = "INTERNAL"
    BROKER_AUTHENTICATION_FAILED = "BROKER_AUTHENTICATION_FAILED"
    GATEWAY_UNAVAILABLE = "GATEWAY_UNAVAILABLE"
    BROKER_ERROR = "BROKER_ERROR"
    BATCH_REFUSED = "BATCH_REFUSED"


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """What holds for a reason wherever it appears.

    Attributes:
        meaning: what happened, one sentence, for `docs/errors.md`.
        next_step: what the caller should do, one sentence, for `docs/errors.md`.
        retriable: whether the same request may succeed later without a change by the caller or an operator.
        retry_after_s: how long to wait before trying again, where the answer should say so.
    """

    meaning: str
    next_step: str
    retriable: bool = False
    retry_after_s: float | None = None


REASONS: Final = MappingProxyType(
    {
        Reason.MALFORMED_REQUEST: ReasonRule(
            "The request cannot be read: not JSON, not Protobuf, a bad path or an unknown query parameter.",
            "Mend the request; the message says where it is wrong.",
        ),
        Reason.INVALID_RECORD: ReasonRule(
            "At least one record breaks a rule.",
            "Mend every place listed in `violations`; nothing was written.",
        ),
        Reason.PARTITION_OUT_OF_RANGE: ReasonRule(
            "The explicit partition does not exist in the topic.",
            "Name an existing partition, or leave it out and send a key.",
        ),
        Reason.INVALID_TIMESTAMP: ReasonRule(
            "The topic bounds how far a timestamp may be from the broker's clock, and this one is beyond that.",
            "Send milliseconds since the epoch, within the topic's bounds, or leave the timestamp out.",
        ),
        Reason.UNAUTHENTICATED: ReasonRule(
            "No credentials came, or wrong ones.",
            "Send HTTP Basic credentials of a user in the users file.",
        ),
        Reason.TOPIC_FORBIDDEN: ReasonRule(
            "The user, or the gateway itself, may not write that topic.",
            "Ask the gateway's operator for the right.",
        ),
        Reason.TOPIC_NOT_FOUND: ReasonRule(
            "The topic does not exist, and the cluster does not create topics by itself.",
            "Create the topic, or mend its name.",
        ),
        Reason.ROUTE_NOT_FOUND: ReasonRule(
            "There is no such route.",
            "Use /produce, /produce/{topic} or /produce/{topic}/{message}.",
        ),
        Reason.METHOD_NOT_ALLOWED: ReasonRule(
            "The route exists, but not with that method.",
            "Use a method of the `Allow` header.",
        ),
        Reason.BODY_TIMEOUT: ReasonRule(
            "The request did not arrive in time.",
            "Send it again over a better connection, or send less at once.",
            retriable=True,
        ),
        Reason.RECORD_TOO_LARGE: ReasonRule(
            "A record is over the gateway's or the topic's size limit.",
            "Make the record smaller, or have the limit raised.",
        ),
        Reason.REQUEST_TOO_LARGE: ReasonRule(
            "The request is over a size or count limit; where that is the one of URL and headers, the status is 431.",
            "Split the request.",
        ),
        Reason.UNSUPPORTED_ENCODING: ReasonRule(
            "The request's Content-Encoding is not one the gateway inflates.",
            "Send gzip or no encoding.",
        ),
        Reason.OVERLOADED: ReasonRule(
            "The gateway holds as much in flight as it may.",
            "Wait as `Retry-After` says, then send again with backoff; nothing was written.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.QUOTA_EXCEEDED: ReasonRule(
            "The user is over the rate it was given.",
            "Wait as `Retry-After` says; nothing was written.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.BROKERS_UNAVAILABLE: ReasonRule(
            "No broker answers.",
            "Wait as `Retry-After` says, then send again; look at `delivered` first.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.NOT_ENOUGH_REPLICAS: ReasonRule(
            "Fewer replicas are in sync than the topic's min.insync.replicas demands.",
            "Wait as `Retry-After` says, then send again; look at `delivered` first.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.DEADLINE_EXCEEDED: ReasonRule(
            "The deadline passed before the acknowledgement came; the record may yet be written.",
            "Send again only if a duplicate does no harm, or look in the topic first.",
            retriable=True,
        ),
        Reason.SHUTTING_DOWN: ReasonRule(
            "The gateway is stopping and takes no new requests.",
            "Send again; another worker or replica will take it.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.BROKER_REFUSED: ReasonRule(
            "The broker refused the record for a reason of its own.",
            "Read the message: it says what the broker refuses.",
        ),
        Reason.BATCH_REFUSED: ReasonRule(
            "The broker refused the batch that held the record, for another one in it or perhaps for this one, and the "
            "record could not be tried alone.",
            "Look at `delivered` and send it again; if that happens twice, in a request or step of its own. Its answer "
            "tells if the record is at fault itself.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.BROKER_ERROR: ReasonRule(
            "The broker, or the way to it, failed in a manner the gateway has no better name for.",
            "Look at `delivered`; where it is `unknown`, send again only if a duplicate does no harm.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.PRODUCER_FAILED: ReasonRule(
            "The gateway's Kafka producer failed for good while it held the record, and was replaced.",
            "Look at `delivered`; where it is `unknown`, send again only if a duplicate does no harm.",
            retriable=True,
            retry_after_s=1.0,
        ),
        Reason.INTERNAL: ReasonRule(
            "A fault inside the gateway.",
            "Report it with the `x-request-id` of the answer.",
        ),
        Reason.BROKER_AUTHENTICATION_FAILED: ReasonRule(
            "The cluster refuses the gateway's own credentials.",
            "Tell the gateway's operator; the caller's credentials are not at fault.",
            retriable=True,
            retry_after_s=5.0,
        ),
        Reason.GATEWAY_UNAVAILABLE: ReasonRule(
            "No worker of the gateway could take the request, or the one that had it was lost.",
            "Wait as `Retry-After` says, then send again; look at `delivered` first.",
            retriable=True,
            retry_after_s=1.0,
        ),
    }
)


SEVERITY: Final = MappingProxyType(
    {
        reason: rank
        for rank, reason in enumerate(
            (
                # The gateway's own fault first, then what may have been written, then what was not for want of a
                # cluster or of room, and last what only the caller can mend.
                Reason.INTERNAL,
                Reason.PRODUCER_FAILED,
                Reason.BROKER_ERROR,
                Reason.DEADLINE_EXCEEDED,
                Reason.GATEWAY_UNAVAILABLE,
                Reason.BROKER_AUTHENTICATION_FAILED,
                Reason.BROKERS_UNAVAILABLE,
                Reason.NOT_ENOUGH_REPLICAS,
                Reason.SHUTTING_DOWN,
                Reason.OVERLOADED,
                Reason.QUOTA_EXCEEDED,
                Reason.BROKER_REFUSED,
                Reason.TOPIC_FORBIDDEN,
                Reason.TOPIC_NOT_FOUND,
                Reason.RECORD_TOO_LARGE,
                Reason.REQUEST_TOO_LARGE,
                Reason.PARTITION_OUT_OF_RANGE,
                Reason.INVALID_TIMESTAMP,
                Reason.INVALID_RECORD,
                # Behind the guilty ones: the same request would only fail again.
                Reason.BATCH_REFUSED,
                Reason.UNAUTHENTICATED,
                Reason.UNSUPPORTED_ENCODING,
                Reason.BODY_TIMEOUT,
                Reason.METHOD_NOT_ALLOWED,
                Reason.ROUTE_NOT_FOUND,
                Reason.MALFORMED_REQUEST,
            )
        )
    }
)
"""Which of several failures speaks for a request: the lowest rank."""


class Violation(msgspec.Struct, frozen=True):
    """One broken rule: where, as a path such as `[3].headers[0].value`, and what."""

    path: str
    problem: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record, or a whole request, was not acknowledged.

    Attributes:
        reason: what went wrong, for programs; `REASONS` says what follows from it.
        message: what was wrong, what was expected and what to do; never internals such as hosts.
        delivered: what is known of the record.
        violations: every broken rule, at most `VIOLATIONS_MAX`.
        retry_after_s: when to come back, in seconds; `None` takes the reason's own.
        allow: the methods a route does take, where `reason` is METHOD_NOT_ALLOWED.
    """

    reason: Reason
    message: str
    delivered: Delivered = Delivered.NO
    violations: tuple[Violation, ...] = ()
    retry_after_s: float | None = None
    allow: tuple[str, ...] = ()

    @classmethod
    def of_violations(cls, reason: Reason, violations: tuple[Violation, ...]) -> Failure:
        """Return the refusal of a whole request for `violations`, at least one; the first one speaks for all."""
        first = violations[0]
        more = f" (and {len(violations) - 1} more, see violations)" if len(violations) > 1 else ""
        return cls(
            reason=reason, message=f"{first.path}: {first.problem}{more}; nothing was written", violations=violations
        )

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later."""
        return REASONS[self.reason].retriable

    @property
    def retry_delay_s(self) -> float | None:
        """How long to wait before trying again, in seconds, or `None` where waiting does not help."""
        return self.retry_after_s if self.retry_after_s is not None else REASONS[self.reason].retry_after_s


Outcome = RecordMetadata | Failure
"""What became of one record."""


class RequestFailed(Exception):
    """A whole request ends with one failure.

    Attributes:
        failure: what to tell the caller.
        outcomes: what became of each record, in request order, where records were sent; else empty.
    """

    def __init__(self, failure: Failure, outcomes: Sequence[Outcome] = ()) -> None:
        """Carry `failure`, and `outcomes` where records were sent."""
        super().__init__(f"{failure.reason}: {failure.message}")
        self.failure = failure
        self.outcomes = outcomes
