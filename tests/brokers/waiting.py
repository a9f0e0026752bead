"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_for"]

_PAUSE_S = 0.02


def wait_for(condition: Callable[[], bool], what: str | Callable[[], str], *, timeout_s: float) -> None:
    """Return as soon as `condition` holds; it is looked at every few milliseconds, so as not to starve what it awaits.

    Raises:
        TimeoutError: it did not hold after `timeout_s`; `what` says what was awaited.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            msg = f"not within {timeout_s:g} s: {what if isinstance(what, str) else what()}"
            raise TimeoutError(msg)
        time.sleep(_PAUSE_S)
