"""What every system can do."""

from __future__ import annotations

from typing import Protocol

from bench.case import Case
from bench.load_generator import Outcome, Timing
from bench.usage import Usage

__all__ = ["System", "Unavailable"]


class Unavailable(Exception):
    """A system cannot be had on this machine; the message says why, and what would change it."""


class System(Protocol):
    """Something that takes records, running."""

    @property
    def version(self) -> str:
        """What it is, exactly."""

    def measure(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> tuple[Outcome, Usage]:
        """Put the load of `case` on it, at `rate_per_s` requests a second where that is not None.

        Raises:
            LoadFailed: the load could not be put on, or a process of the system ended under it.
        """

    def close(self) -> None:
        """End its processes."""
