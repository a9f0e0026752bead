"""One failure that stands for many records."""

from __future__ import annotations

import pytest

from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, Violation
from twinpost_server.core.outcomes import summary
from twinpost_server.core.records import RecordMetadata

STORED = RecordMetadata("t", 0, 0, 1)
REFUSED = Failure(reason=Reason.RECORD_TOO_LARGE, message="too large")
LOST = Failure(reason=Reason.DEADLINE_EXCEEDED, message="late", delivered=Delivered.UNKNOWN)
FULL = Failure(reason=Reason.OVERLOADED, message="full", retry_after_s=3.0)


@pytest.mark.parametrize("outcomes", [[], [STORED], [STORED] * 3])
def test_success_has_no_summary(outcomes: list[Outcome]) -> None:
    """Where every record was stored there is nothing to tell."""
    assert summary(outcomes) is None


def test_failure_of_the_only_record_stands_for_itself() -> None:
    """One record, one failure: nothing is counted or reworded, and its violations stay."""
    failure = Failure(reason=Reason.INVALID_RECORD, message="bad", violations=(Violation("[0]", "bad"),))
    assert summary([failure]) is failure


@pytest.mark.parametrize(
    ("outcomes", "reason", "delivered"),
    [
        pytest.param([REFUSED, REFUSED], Reason.RECORD_TOO_LARGE, Delivered.NO, id="none written"),
        pytest.param([REFUSED, LOST], Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN, id="one perhaps written"),
        pytest.param([LOST, LOST], Reason.DEADLINE_EXCEEDED, Delivered.UNKNOWN, id="all perhaps written"),
        pytest.param([STORED, REFUSED], Reason.RECORD_TOO_LARGE, Delivered.PARTIAL, id="one written"),
        pytest.param([STORED, LOST, REFUSED], Reason.DEADLINE_EXCEEDED, Delivered.PARTIAL, id="of every kind"),
        pytest.param([REFUSED, FULL], Reason.OVERLOADED, Delivered.NO, id="worst last"),
        pytest.param([FULL, REFUSED], Reason.OVERLOADED, Delivered.NO, id="worst first"),
    ],
)
def test_worst_failure_speaks_and_delivered_covers_all(
    outcomes: list[Outcome], reason: Reason, delivered: Delivered
) -> None:
    """`delivered` is never more certain than the least certain record, and never hides that one was stored."""
    failure = summary(outcomes)
    assert failure is not None
    assert (reason, delivered) == (failure.reason, failure.delivered)


def test_summary_counts_and_keeps_the_delay() -> None:
    """The caller learns how many failed, and when to come back."""
    failure = summary([STORED, REFUSED, FULL])
    assert failure is not None
    assert failure.message.startswith("2 of 3 ")
    assert 3.0 == failure.retry_delay_s
