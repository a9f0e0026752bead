"""What the supervisor has to act upon, in order of arrival."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Event", "GivenUp", "Inbox", "Roll", "Stop"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody asks for a stop: SIGTERM, Ctrl-C, or a closed terminal.

    Attributes:
        number: the signal.
    """

    number: signal.Signals


@dataclass(frozen=True, slots=True)
class Roll:
    """Somebody asks for a rolling restart (SIGHUP)."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A process is not started again.

    Attributes:
        reason: a `SupervisorError`, or any other exception where the supervisor itself is at fault.
    """

    reason: BaseException


Event = Stop | Roll | GivenUp


class Inbox:
    """The events, waiting. Signal handlers and keepers only put something here; one loop takes it out and acts."""

    def __init__(self) -> None:
        """Start empty."""
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        """Add an event; on the loop's thread."""
        self._events.put_nowait(event)

    async def take(self) -> Event:
        """Wait for the next event."""
        return await self._events.get()

    async def take_stop(self) -> Stop:
        """Wait for the next `Stop`; other events before it are dropped."""
        while not isinstance(event := await self._events.get(), Stop):
            pass
        return event

    @contextlib.contextmanager
    def hearing_signals(self, *, hangup: Event) -> Iterator[None]:
        """Put an event here for every signal meanwhile; SIGHUP becomes `hangup`."""
        loop = asyncio.get_running_loop()
        events: dict[signal.Signals, Event] = {
            signal.SIGINT: Stop(signal.SIGINT),
            signal.SIGTERM: Stop(signal.SIGTERM),
            signal.SIGHUP: hangup,
        }
        for number, event in events.items():
            loop.add_signal_handler(number, self.put, event)
        try:
            yield
        finally:
            for number in events:
                loop.remove_signal_handler(number)
