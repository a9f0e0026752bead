"""What became of a request as a whole, and of its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinpost_server.core.errors import SEVERITY, Delivered, Failure, Outcome

__all__ = ["all_failed", "summary"]

_REPEATED_LENGTH_MAX: Final = 250
"""Longest message that is told for each of ten thousand records, in characters."""


def all_failed(failure: Failure, count: int) -> list[Outcome]:
    """Return `failure` as what became of each of `count` records; one that says much says it of the first alone."""
    if len(failure.message) <= _REPEATED_LENGTH_MAX:
        return [failure] * count
    as_first: Outcome = Failure(
        reason=failure.reason,
        message="as the first record of the request, whose error says why",
        delivered=failure.delivered,
        retry_after_s=failure.retry_after_s,
    )
    return [failure, *[as_first] * (count - 1)][:count]


def summary(outcomes: Sequence[Outcome]) -> Failure | None:
    """Return one failure that stands for all of `outcomes`, or `None` where every record was stored.

    It is the worst of the failures by `core.errors.SEVERITY`. Its `delivered` is `partial` once any record was stored,
    else `unknown` once any may have been.
    """
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if not failures:
        return None
    worst = min(failures, key=lambda failure: SEVERITY[failure.reason])
    if len(outcomes) == 1:
        return worst
    if len(failures) < len(outcomes):
        delivered = Delivered.PARTIAL
    elif any(failure.delivered is not Delivered.NO for failure in failures):
        delivered = Delivered.UNKNOWN
    else:
        delivered = Delivered.NO
    return Failure(
        reason=worst.reason,
        message=f"{len(failures)} of {len(outcomes)} messages failed; the worst: {worst.message}",
        delivered=delivered,
        retry_after_s=worst.retry_after_s,
    )
