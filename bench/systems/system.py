"""What every system can do."""

from __future__ import annotations

from typing import Protocol

from bench.case import Case
from bench.load_program import Load, Timing
from bench.usage import Parts

__all__ = ["System", "Unavailable"]


class Unavailable(Exception):
    """A system cannot be had on this machine; the message says why, and what would change it."""


class System(Protocol):
    """Something that takes records, running."""

    @property
    def start_s(self) -> float:
        """How long it took from its start until it was ready."""

    @property
    def stores(self) -> bool:
        """Whether what it acknowledges is in the topic."""

    @property
    def version(self) -> str:
        """What it is, exactly."""

    @property
    def parts(self) -> Parts | None:
        """Its processes as they are now; None where the program of each load is the system as well."""

    def load(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Load:
        """Return the load of `case`, at `rate_per_s` requests a second where that is not None."""

    def close(self) -> None:
        """End its processes."""
