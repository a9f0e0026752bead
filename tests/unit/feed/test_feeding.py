"""A feed at work, with a publisher whose turns a test decides."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from twinpost.client import Record, RecordError, RecordFuture
from twinpost.client.future import settle
from twinpost_server.feed import feeding as module
from twinpost_server.feed.address import Address
from twinpost_server.feed.failures import FailureReport
from twinpost_server.feed.feeding import Feeding
from twinpost_server.feed.formats import PlainLines
from twinpost_server.feed.meter import Meter
from twinpost_server.feed.plan import Plan
from twinpost_server.feed.source import Source

CAUSE = RecordError("TOPIC_FORBIDDEN", "not yours")
HALTED = RecordError("TOPIC_FORBIDDEN", "not sent behind a record that failed", halted_by=CAUSE)

PLAN = Plan(
    address=Address("gateway:1", None),
    user=None,
    password=None,
    format=PlainLines("t"),
    topic="t",
    value=None,
    input=None,
    failed=None,
    resume=None,
    timeout_s=1.0,
    resend_unknown=False,
)


class FakePublisher:
    """Tells what a test says: of a record once it is published, or when it is flushed."""

    def __init__(self, at_once: Sequence[RecordError | None], at_flush: Sequence[RecordError | None]) -> None:
        """Tell of each record in turn; `None` tells nothing then."""
        self._told = threading.Condition()
        self._at_once = at_once
        self._at_flush = at_flush
        self._futures: list[RecordFuture] = []

    def publish(self, _record: Record, *, timeout_s: float) -> RecordFuture:
        """Take a record."""
        assert timeout_s > 0
        future = RecordFuture(self._told)
        self._tell(future, self._at_once[len(self._futures)])
        self._futures.append(future)
        return future

    def flush(self, _timeout_s: float) -> None:
        """Tell the rest, as far as there is any."""
        for future, error in zip(self._futures, self._at_flush, strict=False):
            self._tell(future, error)
        if not all(future.done() for future in self._futures):
            raise TimeoutError

    def close(self, _timeout_s: float) -> None:
        """Tell no more."""

    def _tell(self, future: RecordFuture, error: RecordError | None) -> None:
        if error is not None:
            settle([(future, error)], self._told)


@pytest.fixture
def stderr() -> io.StringIO:
    """What people see."""
    return io.StringIO()


@pytest.fixture
def feeding_with(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> Callable[..., Feeding]:
    """Make a feed that publishes with the given publisher."""
    console = Console(file=stderr, width=200)

    def make(publisher: FakePublisher, report: FailureReport | None = None) -> Feeding:
        monkeypatch.setattr(module, "Publisher", lambda *_arguments, **_options: publisher)
        return Feeding(PLAN, console, Meter(console, None), report, None)

    return make


def source() -> Source:
    """Return an input of two lines."""
    return Source(io.BytesIO(b"a\nb\n"), 4)


def test_line_at_fault_is_named_though_another_is_told_of_sooner(
    feeding_with: Callable[..., Feeding], stderr: io.StringIO
) -> None:
    """The next line fails on the main thread, while the publisher's has not come to tell of this one."""
    feeding = feeding_with(FakePublisher(at_once=[None, HALTED], at_flush=[CAUSE]))
    feeding.feed(source())
    assert "twinpost: line 1: TOPIC_FORBIDDEN (delivered: no): not yours\n" == stderr.getvalue()
    assert not feeding.all_acknowledged


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_report_that_cannot_be_written_makes_no_wait_longer(
    feeding_with: Callable[..., Feeding], monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO
) -> None:
    """What is under way gets the short time that is left where no more can be written."""
    monkeypatch.setattr(module, "_LAST_PATIENCE_S", 0.0)
    with Path("/dev/full").open("ab", buffering=0) as full:
        feeding = feeding_with(FakePublisher(at_once=[None, CAUSE], at_flush=[]), FailureReport(full))
        with pytest.raises(OSError, match="No space left"):
            feeding.feed(source())
    assert "twinpost: line 2: TOPIC_FORBIDDEN (delivered: no): not yours\n" == stderr.getvalue()
