"""Ctrl-C and SIGTERM, while an input is read."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from twinpost_server.feed.source import Line, Source

__all__ = ["Signals", "StopAsked"]


class StopAsked(Exception):
    """Somebody asked for the end while the input was waited for."""


class Signals:
    """Ctrl-C and SIGTERM, as wishes to stop: raised while the input is waited for, else only counted.

    Raised anywhere else, they could leave the publisher with half a record.

    Attributes:
        wishes: how many there were.
    """

    def __init__(self) -> None:
        """Begin without a wish."""
        self.wishes = 0
        self._raises = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them until the end of the block."""
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def lines(self, source: Source) -> Iterator[Line | None]:
        """Yield the lines of `source`, and its `None` where none has come for a moment.

        Raises:
            StopAsked: the end was asked for.
        """
        lines = source.lines()
        while True:
            try:
                self._raises = True
                if self.wishes:
                    raise StopAsked
                line = next(lines)
            except StopIteration:
                return
            finally:
                self._raises = False
            yield line

    def _hear(self, _number: int, _frame: object) -> None:
        self.wishes += 1
        if self._raises:
            self._raises = False
            raise StopAsked
