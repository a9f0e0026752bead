"""The taxonomy of failures."""

from __future__ import annotations

import pytest

from twinpost_server.core.errors import REASONS, SEVERITY, Delivered, Failure, Reason, RequestFailed, Violation

RETRIABLE = {
    Reason.BODY_TIMEOUT,
    Reason.OVERLOADED,
    Reason.QUOTA_EXCEEDED,
    Reason.BROKERS_UNAVAILABLE,
    Reason.NOT_ENOUGH_REPLICAS,
    Reason.DEADLINE_EXCEEDED,
    Reason.SHUTTING_DOWN,
    Reason.BATCH_REFUSED,
    Reason.BROKER_ERROR,
    Reason.PRODUCER_FAILED,
    Reason.BROKER_AUTHENTICATION_FAILED,
    Reason.GATEWAY_UNAVAILABLE,
}


def test_every_reason_has_a_rule() -> None:
    """No reason reaches a caller without a meaning and a next step."""
    assert set(Reason) == set(REASONS)


def test_every_reason_has_a_rank() -> None:
    """Of any two failures it is clear which one speaks for a request."""
    assert set(Reason) == set(SEVERITY)
    assert len(Reason) == len(set(SEVERITY.values()))


def test_reasons_are_spelled_as_they_are_named() -> None:
    """The values are the wire's names, so that code and contract read alike."""
    assert {reason.name for reason in Reason} == {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_rules_are_whole_sentences(reason: Reason) -> None:
    """`docs/errors.md` prints them as they are."""
    rule = REASONS[reason]
    assert all(text[0].isupper() and text.endswith(".") for text in (rule.meaning, rule.next_step))


def test_only_what_time_can_heal_is_retriable() -> None:
    """Nobody is invited to repeat what can only fail again."""
    assert RETRIABLE == {reason for reason in Reason if REASONS[reason].retriable}


def test_delay_is_given_only_where_waiting_helps() -> None:
    """A Retry-After on a permanent failure would be a lie."""
    assert {reason for reason in Reason if REASONS[reason].retry_after_s is not None} <= RETRIABLE


def test_failure_takes_delay_and_retriability_from_its_reason() -> None:
    """What holds for the reason holds for each failure."""
    failure = Failure(reason=Reason.OVERLOADED, message="full")
    assert (True, 1.0, Delivered.NO) == (failure.retriable, failure.retry_delay_s, failure.delivered)


@pytest.mark.parametrize("delay_s", [0.0, 7.5])
def test_failure_may_know_its_delay_better(delay_s: float) -> None:
    """A quota knows when it has room again, be it at once."""
    assert delay_s == Failure(reason=Reason.QUOTA_EXCEEDED, message="", retry_after_s=delay_s).retry_delay_s


def test_permanent_failure_has_no_delay() -> None:
    """There is nothing to wait for."""
    failure = Failure(reason=Reason.INVALID_RECORD, message="bad")
    assert (False, None) == (failure.retriable, failure.retry_delay_s)


def test_refusal_for_one_violation_is_told_by_it() -> None:
    """The message alone says where and what, and that nothing was written."""
    failure = Failure.of_violations(Reason.INVALID_RECORD, (Violation("[3].topic", "is missing"),))
    assert (Reason.INVALID_RECORD, Delivered.NO) == (failure.reason, failure.delivered)
    assert "[3].topic: is missing; nothing was written" == failure.message


def test_refusal_for_many_violations_is_told_by_the_first() -> None:
    """The message says that there are more, and the violations keep their order."""
    violations = (Violation("[0]", "a"), Violation("[1]", "b"), Violation("[2]", "c"))
    failure = Failure.of_violations(Reason.RECORD_TOO_LARGE, violations)
    assert violations == failure.violations
    assert failure.message.startswith("[0]: a (and 2 more")


def test_request_failed_reads_as_its_failure() -> None:
    """A log line with the exception says why."""
    failure = Failure(reason=Reason.TOPIC_NOT_FOUND, message="no topic t")
    failed = RequestFailed(failure)
    assert ("TOPIC_NOT_FOUND: no topic t", failure, ()) == (str(failed), failed.failure, failed.outcomes)
