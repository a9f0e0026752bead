"""What the supervisor has to act upon."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from twinpost_server.supervisor.inbox import Event, GivenUp, Inbox, Roll, Stop


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (signal.SIGINT, Stop(signal.SIGINT)),
        (signal.SIGTERM, Stop(signal.SIGTERM)),
        (signal.SIGHUP, Roll()),
    ],
)
async def test_signal_becomes_an_event(number: signal.Signals, event: Stop | Roll) -> None:
    """A signal does nothing but wait for its turn."""
    inbox = Inbox()
    with inbox.hearing_signals(hangup=Roll()):
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            assert event == await inbox.take()


async def test_events_come_out_in_order() -> None:
    """What came first is acted upon first."""
    inbox = Inbox()
    events: list[Event] = [Roll(), GivenUp(OSError()), Stop(signal.SIGTERM)]
    for event in events:
        inbox.put(event)
    assert events == [await inbox.take() for _ in events]


async def test_only_a_stop_counts_while_stopping() -> None:
    """Once the stop is under way nothing but its repetition matters."""
    inbox = Inbox()
    for event in (Roll(), GivenUp(OSError()), Stop(signal.SIGINT)):
        inbox.put(event)
    assert Stop(signal.SIGINT) == await inbox.take_stop()
