"""A deadline."""

from __future__ import annotations

import math

__all__ = ["check_timeout", "deadline_after"]


def check_timeout(timeout_s: float) -> None:
    """Check a time to wait.

    Raises:
        OverflowError: it is an integer beyond every `float`.
        ValueError: it is not a number: whoever waits for that would wait for ever, or not at all.
    """
    if math.isnan(timeout_s):
        msg = f"timeout_s is {timeout_s}: expected a number of seconds"
        raise ValueError(msg)


def deadline_after(timeout_s: float | None, now: float) -> float:
    """Return when `timeout_s` from `now` is over; infinite where that is `None`, and past where it is below 0.

    Raises:
        OverflowError: as above.
        ValueError: likewise.
    """
    if timeout_s is None:
        return math.inf
    check_timeout(timeout_s)
    return now + timeout_s
