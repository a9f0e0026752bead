"""Kafka's errors in terms of the gateway's reasons."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from twinpost_server.core.errors import Delivered, Failure, Reason
from twinpost_server.kafka.translate import (
    AGEING_S_MAX,
    FIRST_TRY_S_MAX,
    KAFKA_ERRORS,
    QUEUE_FULL,
    failure_from,
    refusal_from,
)

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
    "MSG_SIZE_TOO_LARGE",
    "RECORD_LIST_TOO_LARGE",
    "UNKNOWN_TOPIC_OR_PART",
    "UNKNOWN_TOPIC_ID",
    "TOPIC_EXCEPTION",
    "INVALID_REQUIRED_ACKS",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "UNSUPPORTED_COMPRESSION_TYPE",
}
"""Errors that every try meets, so that the record is certain not to be in the log."""

NOT_APPENDED_AT_THIS_AGE = {"INVALID_TIMESTAMP", "INVALID_RECORD", "_INVALID_DIFFERENT_RECORD"}
"""Errors that an earlier try may not have met, of a record that was younger then."""

NOT_APPENDED_THIS_TIME = {
    "INVALID_MSG",
    "POLICY_VIOLATION",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "SASL_AUTHENTICATION_FAILED",
    "LEADER_NOT_AVAILABLE",
    "BROKER_NOT_AVAILABLE",
    "NOT_ENOUGH_REPLICAS",
}
"""Errors that depend on the moment: an earlier try may have been appended, its acknowledgement lost."""

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


def told(name: str, latency_s: float | None = 0.0) -> Failure:
    """Return what the error of that name means in a report that came after `latency_s`."""
    return failure_from(error(name), latency_s)


def test_every_error_is_told_with_a_message_of_some_use() -> None:
    """Whatever Kafka says, the caller gets a whole message, and nothing of the library's inside."""
    messages = {name: told(name).message for name in CODES.values()}
    assert {} == {name: text for name, text in messages.items() if len(text) <= 20 or not text.isprintable()}
    assert {} == {name: text for name, text in messages.items() if "rdkafka" in text or "Local:" in text}


@pytest.mark.parametrize(
    ("latency_s", "expected"),
    [
        pytest.param(0.0, NEVER_APPENDED | NOT_APPENDED_AT_THIS_AGE | NOT_APPENDED_THIS_TIME, id="first try"),
        pytest.param(FIRST_TRY_S_MAX, NEVER_APPENDED | NOT_APPENDED_AT_THIS_AGE, id="perhaps a later try"),
        pytest.param(AGEING_S_MAX, NEVER_APPENDED, id="perhaps of another age"),
        pytest.param(-1.0, NEVER_APPENDED, id="no latency told"),
        pytest.param(None, NEVER_APPENDED, id="latency not known"),
    ],
)
def test_no_is_told_only_where_it_is_certain(latency_s: float | None, expected: set[str]) -> None:
    """An error that does not rule out an earlier, successful try leaves the fate of the record open."""
    assert expected == {name for name in CODES.values() if told(name, latency_s).delivered is Delivered.NO}


def test_first_try_is_over_before_a_second_can_begin() -> None:
    """The bound is below librdkafka's shortest pause between tries: 50 ms less a fifth."""
    assert 0 < FIRST_TRY_S_MAX < 0.050 * 0.8


def test_refusal_before_sending_is_always_certain() -> None:
    """What `produce()` itself refuses was never sent, whatever else is wrong; the reason is the same as later."""
    refusals = {name: refusal_from(error(name)) for name in CODES.values()}
    assert {Delivered.NO} == {refusal.delivered for refusal in refusals.values()}
    assert {name: told(name).reason for name in refusals} == {name: told.reason for name, told in refusals.items()}


def test_no_message_contradicts_what_is_known_of_the_record() -> None:
    """The same error may leave the fate of a record open, or not, depending on when it came."""
    open_fate = "the record may be in the log"
    for name in CODES.values():
        for failure in (told(name), told(name, 100.0), refusal_from(error(name))):
            assert (failure.delivered is Delivered.UNKNOWN) == (open_fate in failure.message), failure


def test_full_queue_is_overload() -> None:
    """The local queue's end is back-pressure, not an error of the caller."""
    assert (Reason.OVERLOADED, Delivered.NO) == (QUEUE_FULL.reason, QUEUE_FULL.delivered)


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
        ("_INVALID_DIFFERENT_RECORD", Reason.BATCH_REFUSED),
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
    assert reason is told(name).reason


@pytest.mark.parametrize(
    "name",
    ["UNKNOWN", "_DESTROY", "_STATE", "_SSL", "_FAIL", "FENCED_LEADER_EPOCH", "_GAPLESS_GUARANTEE"],
)
def test_caller_is_not_blamed_for_what_it_cannot_mend(name: str) -> None:
    """A fault of the broker, or one that nothing is known of, is retriable and never a 4xx."""
    failure = told(name)
    assert failure.reason not in CALLERS_FAULT
    assert failure.retriable


def test_unheard_of_error_is_unknown() -> None:
    """A newer broker's error code leaves everything open."""
    failure = failure_from(KafkaError(32_000), 0.0)
    assert (Delivered.UNKNOWN, False) == (failure.delivered, failure.reason in CALLERS_FAULT)


def test_fatal_error_means_that_the_producer_failed() -> None:
    """Whatever its code, a fatal error is told as the producer's end, and the record's fate as unknown."""
    failure = failure_from(KafkaError(KafkaError.UNKNOWN, "whatever", fatal=True), 0.0)
    assert (Reason.PRODUCER_FAILED, Delivered.UNKNOWN) == (failure.reason, failure.delivered)


def test_table_holds_known_codes() -> None:
    """Each row is about an error of the client library, and speaks of one record."""
    assert set(KAFKA_ERRORS) <= set(CODES)
    assert {rule.delivered for rule in KAFKA_ERRORS.values()} <= {None, Delivered.NO, Delivered.UNKNOWN}
