"""The budget of failures that a process may have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["DELAY_FIRST_S", "DELAY_MAX_S", "HEALTHY_PERIOD_S", "Exhausted", "RestartBudget"]

DELAY_FIRST_S: Final = 0.25
"""The wait before the second restart; it doubles from there. The first restart is immediate."""

DELAY_MAX_S: Final = 10.0
"""No wait is longer than this."""

HEALTHY_PERIOD_S: Final = 10.0
"""A process that worked this long starts again without a wait when it fails next."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The failures that a process is given up for.

    Attributes:
        failures: how many they were.
        window_s: the seconds they came within, or `None` where they came in a row and the process never worked between.
    """

    failures: int
    window_s: float | None


class RestartBudget:
    """The failures of one process.

    The wait grows with failures in a row, and starts over once the process has worked for `HEALTHY_PERIOD_S`. Giving up
    looks at every failure of the last `window_s`, healthy periods or not, and at failures in a row of a process that
    never worked, as the setting `workers.restart_limit` says: a start that runs into its deadline takes so long that
    such failures never meet in the window.
    """

    def __init__(self, *, limit: int, window_s: float, clock: Callable[[], float]) -> None:
        """Allow fewer than `limit` failures within `window_s` seconds of `clock`, a monotonic one, or in a row."""
        self._limit = limit
        self._window_s = window_s
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=limit)
        self._in_a_row = 0
        self._never_worked = 0

    def failed(self, *, worked_s: float) -> float | Exhausted:
        """Count a failure after `worked_s` seconds of work; return the wait in seconds, or why there is to be none."""
        now = self._clock()
        self._failed_at.append(now)
        if len(self._failed_at) == self._limit and now - self._failed_at[0] <= self._window_s:
            return Exhausted(self._limit, self._window_s)
        self._never_worked = 0 if worked_s > 0 else self._never_worked + 1
        if self._never_worked >= self._limit:
            return Exhausted(self._limit, None)
        self._in_a_row = 1 if worked_s >= HEALTHY_PERIOD_S else self._in_a_row + 1
        if self._in_a_row == 1:
            return 0.0
        # The exponent is bounded as well: with a huge limit the power would overflow a float.
        return min(DELAY_MAX_S, DELAY_FIRST_S * 2.0 ** min(self._in_a_row - 2, 16))
