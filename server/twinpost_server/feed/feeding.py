"""A feed at work: every line of an input becomes a record, and what becomes of each is noted."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from twinpost.client import (
    BufferFull,
    Delivered,
    Publisher,
    PublisherOptions,
    Record,
    RecordError,
    RecordFuture,
    RecordOvertaken,
)
from twinpost_server.console import show_error, show_notice
from twinpost_server.feed.checkpoint import Checkpoint
from twinpost_server.feed.failures import FailureReport
from twinpost_server.feed.formats import Format, bad_line, unfit
from twinpost_server.feed.meter import Meter
from twinpost_server.feed.plan import Plan
from twinpost_server.feed.signals import Signals, StopAsked
from twinpost_server.feed.source import LINE_BYTES_MAX, Line, Source

__all__ = ["Feeding"]

_EVERY_LINE: Final = frozenset({"ROUTE_NOT_FOUND", "TOPIC_FORBIDDEN", "TOPIC_NOT_FOUND", "UNAUTHENTICATED"})
"""Reasons that the next line would fail for as well, until something is changed."""

_FAILURES_SHOWN_MAX: Final = 5

_PATIENCE_S: Final = 0.2
"""How long the main thread waits for the publisher before it looks at what has come back."""

_WISHES_TO_GIVE_UP: Final = 2

_LAST_PATIENCE_S: Final = 5.0
"""How long what is under way is waited for once it is known that no more can be written."""

_ENVELOPE_BYTES: Final = 64 * 1024
"""Room for a topic, a key and headers around the longest line."""


class Feeding:
    """One feed, from its first line to its last.

    The main thread reads and publishes. What is settled comes back through a queue, and the main thread notes it: first
    in the report of failures, then in the checkpoint.
    """

    def __init__(
        self,
        plan: Plan,
        console: Console,
        meter: Meter,
        report: FailureReport | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Do as `plan` says; report to `report` and `checkpoint`, where there are any."""
        self._plan = plan
        self._console = console
        self._meter = meter
        self._report = report
        self._checkpoint = checkpoint
        self._signals = Signals()
        self._told: queue.SimpleQueue[tuple[Line, RecordFuture]] = queue.SimpleQueue()
        self._stopped = False
        self._is_why_shown = False

    @property
    def all_acknowledged(self) -> bool:
        """Whether every line was."""
        return not self._stopped and not self._meter.failed

    def feed(self, source: Source) -> None:
        """Feed every line of `source`, or as many as come before something stands against all of them."""
        plan = self._plan
        options = PublisherOptions(
            record_bytes_max=LINE_BYTES_MAX + _ENVELOPE_BYTES,
            delivery_timeout_s=plan.timeout_s,
            resend_unknown=plan.resend_unknown,
            # The next run takes such a line up again: what came behind it meanwhile would stand before it.
            halts_on=_is_for_all,
        )
        publisher = Publisher(
            plan.address.target, user=plan.user, password=plan.password, tls=plan.address.tls, options=options
        )
        stop_asked = False
        with self._signals.heard():
            try:
                self._read(source, publisher)
            except StopAsked:
                stop_asked = self._stopped = True
            finally:
                # Whatever ended the reading: a file that cannot be written makes nothing else come back.
                self._finish(publisher, _LAST_PATIENCE_S if self._stopped and not stop_asked else math.inf)

    def _read(self, source: Source, publisher: Publisher) -> None:
        checkpoint = self._checkpoint
        # As the last run left it: lines beyond a gap, once that is closed, are counted as they are read.
        last_settled = 0 if checkpoint is None else checkpoint.lines
        for line in self._signals.lines(source):
            if line is None:
                # The input is quiet, and the next line may be hours away: what has come back is not to wait for it.
                self._note_told()
                if self._stopped:
                    return
                self._meter.show_now()
                continue
            if checkpoint is not None and checkpoint.pass_over(line.number, line.content):
                if line.number == last_settled:
                    show_notice(self._console, f"going on after line {line.number}")
                continue
            self._take(line, publisher)
            self._note_told()
            if self._stopped:
                return
            self._meter.show(line.end)
        if checkpoint is not None:
            checkpoint.check_end()

    def _take(self, line: Line, publisher: Publisher) -> None:
        """Publish `line`, or settle it where it is no record."""
        try:
            record = _record_of(line, self._plan.format)
            if record is not None:
                self._publish(line, record, publisher)
                return
        except RecordError as error:
            self._fail(line, error)
        self._settle([line.number])

    def _publish(self, line: Line, record: Record, publisher: Publisher) -> None:
        while not (self._stopped or self._signals.wishes):
            try:
                future = publisher.publish(record, timeout_s=_PATIENCE_S)
            except BufferFull:
                self._note_told()
            except ValueError as error:
                raise unfit(error) from error
            else:
                future.add_done_callback(lambda done: self._told.put((line, done)))
                return

    def _finish(self, publisher: Publisher, patience_s: float) -> None:
        """Wait for what is under way: to its end, or for a moment where it is known that it would be in vain.

        Whether the input has ended or not, the first wish to stop waits, too; the second one does not.
        """
        deadline = time.monotonic() + patience_s
        is_told = patience_s < math.inf
        try:
            while time.monotonic() < deadline and self._signals.wishes < _WISHES_TO_GIVE_UP:
                if self._signals.wishes and not is_told:
                    is_told = True
                    show_error(self._console, "stopping: what was read is waited for; once more, and that is given up")
                try:
                    publisher.flush(_PATIENCE_S)
                    break
                except TimeoutError:
                    self._note_told()
                    self._meter.show_now()
        finally:
            publisher.close(0 if self._signals.wishes >= _WISHES_TO_GIVE_UP else _LAST_PATIENCE_S)
            self._note_told()

    def _note_told(self) -> None:
        """Note what has become of lines since the last time."""
        settled: list[int] = []
        failed: list[tuple[Line, RecordError]] = []
        while not self._told.empty():
            line, future = self._told.get()
            error = future.exception()
            if error is None:
                self._meter.acknowledged += 1
                settled.append(line.number)
            else:
                failed.append((line, error))
        # A report that cannot be written is no reason to forget what is stored: the next run would store it once more.
        try:
            for line, error in failed:
                if self._is_over(line, error):
                    self._fail(line, error)
                    settled.append(line.number)
        finally:
            self._settle(settled)

    def _is_over(self, line: Line, error: RecordError) -> bool:
        """Return whether nothing more is to be done for a line that failed."""
        if not _is_for_all(error):
            return True
        self._stop(line, error)
        # The next run takes it up again, once what stands against it is mended.
        return self._checkpoint is None

    def _fail(self, line: Line, error: RecordError) -> None:
        self._meter.failed += 1
        if self._report is not None:
            self._report.add(line, error)
        elif self._meter.failed <= _FAILURES_SHOWN_MAX and not self._stopped:
            show_error(self._console, f"line {line.number}: {error}")
            if self._meter.failed == _FAILURES_SHOWN_MAX:
                show_notice(self._console, "more are not shown: --failed FILE reports all of them")

    def _settle(self, numbers: Sequence[int]) -> None:
        if self._checkpoint is not None:
            self._checkpoint.settle(numbers)

    def _stop(self, line: Line, error: RecordError) -> None:
        self._stopped = True
        # A line that this thread published behind the one at fault may be told of sooner. That one always is, too.
        if error.halted_by is None and not self._is_why_shown:
            self._is_why_shown = True
            show_error(self._console, f"line {line.number}: {error}")


def _record_of(line: Line, form: Format) -> Record | None:
    """Return the record that `line` is, or `None` where it is blank.

    Raises:
        RecordError: it is none; nothing was sent.
    """
    if line.is_cut:
        msg = f"the line is longer than {LINE_BYTES_MAX} bytes: split it"
        raise bad_line(msg, "RECORD_TOO_LARGE")
    return form.record(line.content)


def _is_for_all(error: RecordError) -> bool:
    """Return whether a line failed, and is not stored, for what stands against every line."""
    of_all = error.reason in _EVERY_LINE or (error.retriable and not isinstance(error, RecordOvertaken))
    return of_all and error.delivered is Delivered.NO
