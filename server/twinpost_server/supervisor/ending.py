"""How a process ended."""

from __future__ import annotations

import signal
from dataclasses import dataclass

__all__ = ["Ending"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, for people and for the decision what to do next.

    Attributes:
        name: the process, as people know it: `worker 0`, `envoy`.
        returncode: its exit code, the negative number of the signal that ended it, or `None` where it never ran.
        cause: why it was ended or never ran, where that is known better than by the code.
        last_lines: what it wrote last, oldest first, where its output passes through here.
    """

    name: str
    returncode: int | None
    cause: str | None = None
    last_lines: tuple[str, ...] = ()

    @property
    def by_itself(self) -> bool:
        """Whether the process exited of its own accord, not by a signal and not by us."""
        return self.cause is None and self.returncode is not None and self.returncode >= 0

    def __str__(self) -> str:
        """Say it in a few words: `worker 0 was ended by SIGKILL`."""
        if self.cause is not None:
            return f"{self.name} {self.cause}"
        if self.returncode is not None and self.returncode < 0:
            return f"{self.name} was ended by {_signal_name(-self.returncode)}"
        return f"{self.name} exited with code {self.returncode}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have numbers but no names
        return f"signal {number}"
