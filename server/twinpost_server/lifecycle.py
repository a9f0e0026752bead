"""The life of a worker: STARTING, SERVING, DRAINING, STOPPED, each entered once and in that order."""

from __future__ import annotations

import asyncio
from enum import IntEnum

__all__ = ["Lifecycle", "Phase"]


class Phase(IntEnum):
    """Where in its life a worker is."""

    STARTING = 0
    SERVING = 1
    DRAINING = 2
    STOPPED = 3


class Lifecycle:
    """Holds the phase, and wakes who waits for the drain. Lives on the loop's thread.

    Attributes:
        phase: where the worker is now.
    """

    def __init__(self) -> None:
        """Start as STARTING."""
        self.phase = Phase.STARTING
        self._streams_end_asked = asyncio.Event()
        self._drain_asked = asyncio.Event()

    def enter(self, phase: Phase) -> None:
        """Move on to `phase`.

        Raises:
            ValueError: `phase` does not come after the present one.
        """
        if phase <= self.phase:
            msg = f"a worker that is {self.phase.name} cannot become {phase.name}"
            raise ValueError(msg)
        self.phase = phase

    def ask_streams_end(self) -> None:
        """Ask for the end of every stream; asking again changes nothing."""
        self._streams_end_asked.set()

    async def streams_end_asked(self) -> None:
        """Return once the end of streams was asked for."""
        await self._streams_end_asked.wait()

    def ask_drain(self) -> None:
        """Ask for the drain; asking again changes nothing."""
        self._drain_asked.set()

    async def drain_asked(self) -> None:
        """Return once the drain was asked for."""
        await self._drain_asked.wait()
