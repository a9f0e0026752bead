"""The deadline of one request."""

from __future__ import annotations

import pytest

from twinpost_server.core.errors import Reason, RequestFailed
from twinpost_server.rpc.deadline import ANSWER_MARGIN_S_MAX, budget_s, parse_timeout_s


@pytest.mark.parametrize("caller_timeout_s", [None, 30.2, 31.0, 1e18])
def test_patient_caller_gets_the_gateways_own_limit(caller_timeout_s: float | None) -> None:
    """Nobody waits longer than the gateway allows."""
    assert 30.0 == budget_s(caller_timeout_s, 30.0)


@pytest.mark.parametrize(
    ("caller_timeout_s", "expected"), [(30.0, 29.9), (10.0, 9.9), (1.0, 0.9), (0.5, 0.45), (0.01, 0.009), (0.0, 0.0)]
)
def test_hurried_caller_is_answered_a_little_before_its_deadline(caller_timeout_s: float, expected: float) -> None:
    """A tenth of the time, and never more than the margin, is left for the answer's own way."""
    assert pytest.approx(expected) == budget_s(caller_timeout_s, 30.0)


def test_deadline_in_the_past_leaves_no_time() -> None:
    """Time left is never negative."""
    assert 0.0 == budget_s(-1.0, 30.0)


def test_margin_never_lengthens_the_gateways_limit() -> None:
    """At the border between the two, the sooner one counts."""
    assert all(budget_s(30.0 + step * ANSWER_MARGIN_S_MAX / 10, 30.0) <= 30.0 + 1e-9 for step in range(-20, 20))


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1.0), ("2.5", 2.5), ("0.001", 0.001), ("007", 7.0), ("999999999", 999_999_999.0)]
)
def test_plain_seconds_are_read(text: str, seconds: float) -> None:
    """Decimals are allowed."""
    assert seconds == parse_timeout_s(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.0",
        "0.000000000",
        "-1",
        "+1",
        "1e3",
        "1_0",
        "inf",
        "nan",
        "1s",
        " 1",
        "1 ",
        "1\n",
        ".5",
        "5.",
        "٣",
        "9" * 400,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """By the header's name, with an example."""
    with pytest.raises(RequestFailed) as refused:
        parse_timeout_s(text)
    failure = refused.value.failure
    assert (Reason.MALFORMED_REQUEST, ["headers.request-timeout"]) == (
        failure.reason,
        [violation.path for violation in failure.violations],
    )
    assert len(failure.message) < 200
