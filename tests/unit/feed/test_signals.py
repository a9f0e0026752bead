"""Ctrl-C and SIGTERM, while lines are read and in between."""

from __future__ import annotations

import io
import signal

import pytest

from twinpost_server.feed.signals import Signals, StopAsked
from twinpost_server.feed.source import Source


def test_signal_between_two_lines_ends_the_reading_and_the_next_is_only_counted() -> None:
    """Once reading has ended nothing is raised any more: what was read is to be settled."""
    signals = Signals()
    with signals.heard():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(StopAsked):
            list(signals.lines(Source(io.BytesIO(b"a\nb\n"), 4)))
        signal.raise_signal(signal.SIGINT)
    assert 2 == signals.wishes
