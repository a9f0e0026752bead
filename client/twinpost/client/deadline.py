"""A deadline."""

from __future__ import annotations

import math

__all__ = ["deadline_after"]


def deadline_after(timeout_s: float | None, now: float) -> float:
    """Return when `timeout_s` from `now` is over; infinite where that is `None`, and past where it is below 0.

    Raises:
        ValueError: it is not a number: whoever waits for that would wait for ever, or not at all.
    """
    if timeout_s is None:
        return math.inf
    if math.isnan(timeout_s):
        msg = f"timeout_s is {timeout_s}: expected a number of seconds"
        raise ValueError(msg)
    return now + timeout_s
