"""When to try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinpost.client.errors import RecordError

__all__ = ["RETRY", "RetryPolicy", "Tries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to wait before the next try: doubling, up to a cap, with jitter, and never less than the gateway asks.

    Attributes:
        delay_s_min: before the second try.
        delay_s_max: the cap; what the gateway asks for is kept even where it is longer.
    """

    delay_s_min: float = 0.1
    delay_s_max: float = 10.0

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ValueError: they are not in order.
        """
        if not 0 < self.delay_s_min <= self.delay_s_max:
            msg = f"delay_s_min must be above 0 and at most delay_s_max, not {self.delay_s_min} and {self.delay_s_max}"
            raise ValueError(msg)

    def delay_s(self, failures: int, asked_s: float | None, random: Callable[[], float]) -> float:
        """Return how long to wait after the `failures`-th failure in a row, from 1.

        Args:
            failures: how many there were.
            asked_s: what the gateway asked for, if it did.
            random: a number from 0 to 1: callers that failed together should not come back together.
        """
        # The exponent is bounded so that a long outage cannot make a number too large for a float.
        delay_s = min(self.delay_s_max, self.delay_s_min * 2.0 ** min(failures - 1, 60))
        return max(delay_s * (0.5 + random() / 2), asked_s or 0.0)


RETRY: Final = RetryPolicy()
"""What suits most."""


_TRY_S_MIN: Final = 0.25
"""Time that must be left for another try. One that ends at the deadline would turn a certain `no` into `unknown`."""


class Tries:
    """The tries of one call: whether there is another one, and when."""

    def __init__(self, policy: RetryPolicy | None, deadline: float, random: Callable[[], float]) -> None:
        """Try until `deadline`, or once where there is no `policy`."""
        self._policy = policy
        self._deadline = deadline
        self._random = random
        self._failures = 0

    def next_after_s(self, error: RecordError, now: float) -> float | None:
        """Return how long to wait before the next try, or `None` where `error` is final.

        Tried again is only what is certain not to be in the log, so that nothing is stored twice.
        """
        self._failures += 1
        if self._policy is None or not error.safely_retriable:
            return None
        delay_s = self._policy.delay_s(self._failures, error.retry_delay_s, self._random)
        return delay_s if now + delay_s + _TRY_S_MIN <= self._deadline else None
