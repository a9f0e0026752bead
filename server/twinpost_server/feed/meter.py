"""What whoever waits for a feed sees of it, on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from twinpost_server.console import show_notice

__all__ = ["Meter"]

_SHOWN_EVERY_S: Final = 0.1


class Meter:
    """Counts, and on a terminal shows a bar. Elsewhere it says nothing before the end.

    Attributes:
        acknowledged: lines so far.
        failed: lines so far that were not, and will not be.
    """

    def __init__(self, console: Console, size_bytes: int | None) -> None:
        """Show on `console` how far of `size_bytes` it is, where that is known."""
        self.acknowledged = 0
        self.failed = 0
        self._console = console
        self._began_at = time.monotonic()
        self._shown_at = self._began_at
        self._progress = Progress(
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %" if size_bytes else ""),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=size_bytes, told="")

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._progress.stop()

    def show(self, read_bytes: int) -> None:
        """Show that so much of the input is read; may be called for every line."""
        now = time.monotonic()
        if now - self._shown_at >= _SHOWN_EVERY_S:
            self._shown_at = now
            self._progress.update(self._task, completed=read_bytes, told=self._told())

    def show_now(self) -> None:
        """Show what has come of it since; what is read stays as it is."""
        self._progress.update(self._task, told=self._told())

    def conclude(self) -> None:
        """Write what has come of it, on one line."""
        show_notice(self._console, f"{self._told()}, in {self._took_s():.1f} s")

    def _told(self) -> str:
        rate = self.acknowledged / max(self._took_s(), 1e-9)
        return f"{self.acknowledged} acknowledged ({rate:.0f} a second), {self.failed} failed"

    def _took_s(self) -> float:
        return time.monotonic() - self._began_at
