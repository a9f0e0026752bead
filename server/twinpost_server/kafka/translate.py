"""The one table from Kafka's errors to reasons.

Which errors leave the record out of the log for certain follows librdkafka's own classification in
`rd_kafka_handle_Produce_error` (rdkafka_request.c), with one restriction: a delivery report speaks for the last try
only, and an earlier one may have been appended without its acknowledgement coming through. So a refusal of the record
for what it is counts as `no`, since every try met it; a refusal that depends on the moment (rights, leadership,
replicas in sync) does so only if the report came before a second try can have been made. Timestamps lie between: a
broker looks at a record's age before it looks whether it has the record already, and a record ages.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from twinpost_server.core.errors import Delivered, Failure, Reason

__all__ = [
    "AGEING_S_MAX",
    "FIRST_TRY_S_MAX",
    "KAFKA_ERRORS",
    "QUEUE_FULL",
    "KafkaRule",
    "failure_from",
    "refusal_from",
    "rule_of",
]

FIRST_TRY_S_MAX: Final = 0.035
"""A report within this time of `produce()` is that of the first try: `retry.backoff.ms` is 50, less 20 % jitter
(KIP-580), less a margin."""

AGEING_S_MAX: Final = 3.0
"""A report within this time finds the record as old as its first try did, unless the record is within this time of the
topic's limit, and its first acknowledgement was lost on a connection that was back as soon: almost certainly, then."""


class KafkaRule(NamedTuple):
    """What one of Kafka's errors means for a record.

    Attributes:
        reason: the reason callers get.
        delivered: what is known of the record; `None` is `no` for as long as `certain_s`, and `unknown` later.
        message: what was wrong, what was expected, what to do; nothing of the record's fate, which depends on more.
        certain_s: how long after `produce()` no earlier try can have been appended.
    """

    reason: Reason
    delivered: Delivered | None
    message: str
    certain_s: float = FIRST_TRY_S_MAX


_TIMED_OUT: Final = "no acknowledgement came in time"
_UNREACHABLE: Final = "the brokers cannot be reached"
_PRODUCER_FAILED: Final = "the gateway's producer failed, and another one takes its place"
_TOO_LARGE: Final = (
    "the record is larger than the topic takes (max.message.bytes): make it smaller, or have the topic's limit raised"
)
_BROKER_BUSY: Final = "the broker could not store the record just now"
_NO_RIGHT: Final = "the gateway itself may not write that topic: tell its operator"
_NOT_AUTHENTICATED: Final = "the cluster refuses the gateway's own credentials: tell its operator"

KAFKA_ERRORS: Final = MappingProxyType(
    {
        # Never handed to a broker.
        KafkaError._QUEUE_FULL: KafkaRule(
            Reason.OVERLOADED, Delivered.NO, "the gateway's queue is full: send again later"
        ),
        KafkaError._UNKNOWN_PARTITION: KafkaRule(
            Reason.PARTITION_OUT_OF_RANGE, Delivered.NO, "the topic has no such partition: name an existing one or none"
        ),
        KafkaError._UNKNOWN_TOPIC: KafkaRule(
            Reason.TOPIC_NOT_FOUND, Delivered.NO, "the topic does not exist: create it, or mend its name"
        ),
        KafkaError._INVALID_ARG: KafkaRule(
            Reason.BROKER_REFUSED, Delivered.NO, "the producer refuses the record as it is"
        ),
        # Refused by a broker before anything was appended.
        KafkaError.MSG_SIZE_TOO_LARGE: KafkaRule(Reason.RECORD_TOO_LARGE, Delivered.NO, _TOO_LARGE),
        KafkaError.RECORD_LIST_TOO_LARGE: KafkaRule(Reason.RECORD_TOO_LARGE, Delivered.NO, _TOO_LARGE),
        KafkaError.INVALID_TIMESTAMP: KafkaRule(
            Reason.INVALID_TIMESTAMP,
            None,
            "the broker refuses the timestamp: send milliseconds since the epoch, near the present, or none",
            AGEING_S_MAX,
        ),
        # Also said of timestamps, where several records of a batch are at fault (measured).
        KafkaError.INVALID_RECORD: KafkaRule(
            Reason.BROKER_REFUSED,
            None,
            "the broker refuses the record: it breaks a rule of the topic, as for timestamps or for missing keys",
            AGEING_S_MAX,
        ),
        KafkaError._INVALID_DIFFERENT_RECORD: KafkaRule(
            Reason.BATCH_REFUSED,
            None,
            "the broker refused another record of the same batch, and this one with it",
            # The other one's fault may be its timestamp.
            AGEING_S_MAX,
        ),
        KafkaError.UNKNOWN_TOPIC_OR_PART: KafkaRule(
            Reason.TOPIC_NOT_FOUND, Delivered.NO, "the topic does not exist: create it, or mend its name"
        ),
        KafkaError.UNKNOWN_TOPIC_ID: KafkaRule(
            Reason.TOPIC_NOT_FOUND, Delivered.NO, "the topic was deleted: create it again, then send again"
        ),
        KafkaError.TOPIC_EXCEPTION: KafkaRule(
            Reason.BROKER_REFUSED, Delivered.NO, "the broker refuses the topic's name"
        ),
        KafkaError.TOPIC_AUTHORIZATION_FAILED: KafkaRule(Reason.TOPIC_FORBIDDEN, None, _NO_RIGHT),
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: KafkaRule(
            Reason.BROKER_AUTHENTICATION_FAILED,
            None,
            "the gateway may not write to the cluster: tell its operator",
        ),
        KafkaError.SASL_AUTHENTICATION_FAILED: KafkaRule(Reason.BROKER_AUTHENTICATION_FAILED, None, _NOT_AUTHENTICATED),
        KafkaError.POLICY_VIOLATION: KafkaRule(
            Reason.BROKER_REFUSED, None, "a policy of the cluster refuses the record"
        ),
        KafkaError.INVALID_REQUIRED_ACKS: KafkaRule(
            Reason.BROKER_REFUSED, Delivered.NO, "the broker does not take acks=all"
        ),
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT: KafkaRule(
            Reason.BROKER_REFUSED, Delivered.NO, "the topic's message format does not take this record"
        ),
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE: KafkaRule(
            Reason.BROKER_REFUSED, Delivered.NO, "the topic does not take the gateway's compression: tell its operator"
        ),
        KafkaError.INVALID_MSG: KafkaRule(
            Reason.BROKER_REFUSED, None, "the record was damaged on its way to the broker"
        ),
        KafkaError.KAFKA_STORAGE_ERROR: KafkaRule(Reason.BROKERS_UNAVAILABLE, Delivered.UNKNOWN, _BROKER_BUSY),
        KafkaError.LEADER_NOT_AVAILABLE: KafkaRule(Reason.BROKERS_UNAVAILABLE, None, _BROKER_BUSY),
        # A broker that loses its leadership says so of what it appended and waits for other replicas to have, too
        # (`DelayedProduce` in Kafka's sources).
        KafkaError.NOT_LEADER_FOR_PARTITION: KafkaRule(Reason.BROKERS_UNAVAILABLE, Delivered.UNKNOWN, _BROKER_BUSY),
        KafkaError.BROKER_NOT_AVAILABLE: KafkaRule(Reason.BROKERS_UNAVAILABLE, None, _UNREACHABLE),
        # Sent, and not known.
        # The broker looks at the replicas before it looks whether a batch is a repeated one.
        KafkaError.NOT_ENOUGH_REPLICAS: KafkaRule(
            Reason.NOT_ENOUGH_REPLICAS,
            None,
            "fewer replicas are in sync than the topic demands: send again once the cluster has healed",
        ),
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: KafkaRule(
            Reason.NOT_ENOUGH_REPLICAS,
            Delivered.UNKNOWN,
            "the record was appended, but fewer replicas than the topic demands have it: it may yet be lost or kept",
        ),
        KafkaError.REQUEST_TIMED_OUT: KafkaRule(Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN, _TIMED_OUT),
        KafkaError._MSG_TIMED_OUT: KafkaRule(Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN, _TIMED_OUT),
        KafkaError._TIMED_OUT: KafkaRule(Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN, _TIMED_OUT),
        KafkaError._TIMED_OUT_QUEUE: KafkaRule(Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN, _TIMED_OUT),
        KafkaError._TRANSPORT: KafkaRule(Reason.BROKERS_UNAVAILABLE, Delivered.UNKNOWN, _UNREACHABLE),
        KafkaError._ALL_BROKERS_DOWN: KafkaRule(Reason.BROKERS_UNAVAILABLE, Delivered.UNKNOWN, _UNREACHABLE),
        KafkaError._RESOLVE: KafkaRule(Reason.BROKERS_UNAVAILABLE, Delivered.UNKNOWN, _UNREACHABLE),
        KafkaError.NETWORK_EXCEPTION: KafkaRule(Reason.BROKERS_UNAVAILABLE, Delivered.UNKNOWN, _UNREACHABLE),
        KafkaError._AUTHENTICATION: KafkaRule(
            Reason.BROKER_AUTHENTICATION_FAILED, Delivered.UNKNOWN, _NOT_AUTHENTICATED
        ),
        # The producer itself is done for; `kafka/pool.py` replaces it. Purging tells nothing of an earlier try.
        KafkaError._FATAL: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError._FENCED: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError._PURGE_QUEUE: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError._PURGE_INFLIGHT: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError.INVALID_PRODUCER_EPOCH: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError.UNKNOWN_PRODUCER_ID: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
        KafkaError.PRODUCER_FENCED: KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED),
    }
)
"""Every error of Kafka or librdkafka that means more to a caller than that the broker failed."""


_PRODUCER_GONE: Final = KafkaRule(Reason.PRODUCER_FAILED, Delivered.UNKNOWN, _PRODUCER_FAILED)
_BROKER_FAILED: Final = KafkaRule(Reason.BROKER_ERROR, Delivered.UNKNOWN, "the broker failed in a manner of its own")

QUEUE_FULL: Final = Failure(
    reason=Reason.OVERLOADED, message="the gateway's queue is full: send again later; this record was not written"
)


def failure_from(error: KafkaError, latency_s: float | None) -> Failure:
    """Return what `error` of a delivery report means for the record.

    An error the table does not know is nobody's fault that we know of, and leaves the record's fate open.

    Args:
        error: the report's.
        latency_s: the time from `produce()` to the report, in seconds; `None` where it is not known.
    """
    rule = rule_of(error)
    delivered = rule.delivered
    if delivered is None:
        certain = latency_s is not None and 0 <= latency_s < rule.certain_s
        delivered = Delivered.NO if certain else Delivered.UNKNOWN
    message = rule.message if delivered is Delivered.NO else f"{rule.message}; the record may be in the log"
    return Failure(reason=rule.reason, message=message, delivered=delivered)


def refusal_from(error: KafkaError) -> Failure:
    """Return what `error` of `produce()` itself means: the record was never sent, whatever else is wrong."""
    rule = rule_of(error)
    return Failure(reason=rule.reason, message=f"{rule.message}; this record was not written")


def rule_of(error: KafkaError) -> KafkaRule:
    """Return what the table says of `error`."""
    return KAFKA_ERRORS.get(error.code()) or (_PRODUCER_GONE if error.fatal() else _BROKER_FAILED)
