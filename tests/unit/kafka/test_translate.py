"""Kafka's errors in terms of the gateway's reasons."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from twinpost_server.core.errors import REASONS, Delivered, Reason
from twinpost_server.kafka.translate import KAFKA_ERRORS, failure_from

CODES = {
    code: name
    for name, code in vars(KafkaError).items()
    if isinstance(code, int) and name.replace("_", "").isupper() and name != "NO_ERROR"
}
"""Every error that the client library has a name for."""

NEVER_APPENDED = {
    "_QUEUE_FULL",
    "_UNKNOWN_PARTITION",
    "_UNKNOWN_TOPIC",
    "_INVALID_ARG",
    "_INVALID_DIFFERENT_RECORD",
    "MSG_SIZE_TOO_LARGE",
    "RECORD_LIST_TOO_LARGE",
    "INVALID_TIMESTAMP",
    "INVALID_RECORD",
    "INVALID_MSG",
    "UNKNOWN_TOPIC_OR_PART",
    "UNKNOWN_TOPIC_ID",
    "TOPIC_EXCEPTION",
    "POLICY_VIOLATION",
    "INVALID_REQUIRED_ACKS",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "UNSUPPORTED_COMPRESSION_TYPE",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "SASL_AUTHENTICATION_FAILED",
}
"""Errors that may be told as `no`; for every other one the record may be in the log."""

CALLERS_FAULT = {
    Reason.RECORD_TOO_LARGE,
    Reason.INVALID_TIMESTAMP,
    Reason.BROKER_REFUSED,
    Reason.TOPIC_NOT_FOUND,
    Reason.TOPIC_FORBIDDEN,
    Reason.PARTITION_OUT_OF_RANGE,
}


def error(name: str) -> KafkaError:
    """Return the error of that name."""
    return KafkaError(getattr(KafkaError, name))


@pytest.mark.parametrize("name", sorted(CODES.values()))
def test_every_error_is_told_without_raising(name: str) -> None:
    """Whatever Kafka says, the caller gets a reason, a message of some use, and nothing of the library's inside."""
    failure = failure_from(error(name))
    assert failure.reason in REASONS
    assert len(failure.message) > 20
    assert failure.message.isprintable()


@pytest.mark.parametrize("name", sorted(set(CODES.values()) - NEVER_APPENDED))
def test_no_is_told_only_where_it_is_certain(name: str) -> None:
    """An error that does not rule out an earlier, successful try leaves the fate of the record open."""
    assert Delivered.UNKNOWN is failure_from(error(name)).delivered


@pytest.mark.parametrize("name", sorted(NEVER_APPENDED))
def test_names_of_certain_refusals_exist(name: str) -> None:
    """This file's list is about errors there are."""
    assert name in CODES.values()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_QUEUE_FULL", Reason.OVERLOADED),
        ("_UNKNOWN_PARTITION", Reason.PARTITION_OUT_OF_RANGE),
        ("_UNKNOWN_TOPIC", Reason.TOPIC_NOT_FOUND),
        ("UNKNOWN_TOPIC_OR_PART", Reason.TOPIC_NOT_FOUND),
        ("MSG_SIZE_TOO_LARGE", Reason.RECORD_TOO_LARGE),
        ("INVALID_TIMESTAMP", Reason.INVALID_TIMESTAMP),
        ("INVALID_RECORD", Reason.BROKER_REFUSED),
        ("_INVALID_DIFFERENT_RECORD", Reason.BROKER_REFUSED),
        ("POLICY_VIOLATION", Reason.BROKER_REFUSED),
        ("TOPIC_AUTHORIZATION_FAILED", Reason.TOPIC_FORBIDDEN),
        ("CLUSTER_AUTHORIZATION_FAILED", Reason.BROKER_AUTHENTICATION_FAILED),
        ("SASL_AUTHENTICATION_FAILED", Reason.BROKER_AUTHENTICATION_FAILED),
        ("_AUTHENTICATION", Reason.BROKER_AUTHENTICATION_FAILED),
        ("NOT_ENOUGH_REPLICAS", Reason.NOT_ENOUGH_REPLICAS),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", Reason.NOT_ENOUGH_REPLICAS),
        ("_MSG_TIMED_OUT", Reason.DEADLINE_EXCEEDED),
        ("REQUEST_TIMED_OUT", Reason.DEADLINE_EXCEEDED),
        ("_TRANSPORT", Reason.BROKERS_UNAVAILABLE),
        ("_ALL_BROKERS_DOWN", Reason.BROKERS_UNAVAILABLE),
        ("NOT_LEADER_FOR_PARTITION", Reason.BROKERS_UNAVAILABLE),
        ("_FATAL", Reason.PRODUCER_FAILED),
        ("_PURGE_QUEUE", Reason.PRODUCER_FAILED),
        ("OUT_OF_ORDER_SEQUENCE_NUMBER", Reason.PRODUCER_FAILED),
    ],
)
def test_common_errors_have_their_reasons(name: str, reason: Reason) -> None:
    """The errors a caller is likely to meet, one by one."""
    assert reason is failure_from(error(name)).reason


@pytest.mark.parametrize(
    "name",
    ["UNKNOWN", "_DESTROY", "_STATE", "_SSL", "_FAIL", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "_GAPLESS_GUARANTEE"],
)
def test_caller_is_not_blamed_for_what_it_cannot_mend(name: str) -> None:
    """A fault of the broker, or one that nothing is known of, is retriable and never a 4xx."""
    failure = failure_from(error(name))
    assert failure.reason not in CALLERS_FAULT
    assert failure.retriable


def test_unheard_of_error_is_unknown() -> None:
    """A newer broker's error code leaves everything open."""
    failure = failure_from(KafkaError(32_000))
    assert (Delivered.UNKNOWN, False) == (failure.delivered, failure.reason in CALLERS_FAULT)


def test_fatal_error_means_that_the_producer_failed() -> None:
    """Whatever its code, a fatal error is told as the producer's end, and the record's fate as unknown."""
    failure = failure_from(KafkaError(KafkaError.UNKNOWN, "whatever", fatal=True))
    assert (Reason.PRODUCER_FAILED, Delivered.UNKNOWN) == (failure.reason, failure.delivered)


@pytest.mark.parametrize("code", sorted(KAFKA_ERRORS))
def test_table_holds_known_codes(code: int) -> None:
    """Each row is about an error of the client library."""
    assert code in CODES


@pytest.mark.parametrize("code", sorted(KAFKA_ERRORS))
def test_rows_never_say_partial(code: int) -> None:
    """One record is in the log or not, or nobody knows."""
    assert KAFKA_ERRORS[code].delivered in {Delivered.NO, Delivered.UNKNOWN}
