"""Whether requests come in a crowd: so closely that to wait for more of them costs less than to send each apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["Crowd"]

WINDOW_REQUESTS: Final = 32
"""Requests after which it is decided anew: some tens of milliseconds of a busy worker."""

COMPANY_MIN: Final = 1.0
"""Requests in flight on average from which there may be a crowd; a caller who waits for each answer, however quick,
makes none. Low, since where the processor is the bottleneck few requests are in flight to Kafka: the others wait to
be read."""

GATHERED_MIN: Final = 4.5
"""Requests that must come while one waits: with eight callers who each wait for their answer it is four, and they would
be slowed by one another for nothing; with sixteen it is seven, and all of them are served sooner."""


class Crowd:
    """Watches requests come. Lives on the loop's thread.

    Attributes:
        is_there: whether those of the last window were a crowd.
    """

    __slots__ = ("_clock", "_company", "_linger_s", "_requests", "_since", "is_there")

    def __init__(self, linger_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody there.

        Args:
            linger_s: how long each request of a crowd would wait for others.
            clock: seconds that only grow.
        """
        self.is_there = False
        self._linger_s = linger_s
        self._clock = clock
        self._since = clock()
        self._requests = 0
        self._company = 0

    def joined_by_one(self, in_flight: int) -> bool:
        """Note a request that comes while `in_flight` others are in flight; return whether it is one of a crowd."""
        self._requests += 1
        self._company += in_flight
        if self._requests == WINDOW_REQUESTS:
            now = self._clock()
            gathered = WINDOW_REQUESTS * self._linger_s / max(now - self._since, 1e-6)
            company = self._company / WINDOW_REQUESTS
            # Who waits is in flight for longer, so of a crowd that is there company would say nothing.
            self.is_there = gathered >= GATHERED_MIN and (self.is_there or company >= COMPANY_MIN)
            self._since = now
            self._requests = self._company = 0
        return self.is_there
