"""The report of lines that were not acknowledged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinpost.client import Delivered, RecordError
from twinpost_server.feed.errors import FeedError
from twinpost_server.feed.failures import FailureReport
from twinpost_server.feed.source import Line

ERROR = RecordError("OVERLOADED", "full", retriable=True, delivered=Delivered.UNKNOWN)


def test_report_has_the_line_and_why_it_failed(tmp_path: Path) -> None:
    """One JSON object on each line, added to what is there; it is there at once."""
    path = tmp_path / "failed"
    path.write_text('{"earlier": 1}\n', encoding="utf-8")
    with FailureReport.opened(path) as report:
        report.add(Line(7, '{"a": "ü"}'.encode(), 100), ERROR)
        report.add(Line(8, b"\xff", 102), ERROR)
        report.add(Line(9, b"long", 200, is_cut=True), ERROR)
        content = path.read_text(encoding="utf-8")
    why = {"reason": "OVERLOADED", "delivered": "unknown", "message": "full"}
    assert [
        {"earlier": 1},
        {"line": 7, **why, "text": '{"a": "ü"}'},
        {"line": 8, **why, "base64": "/w=="},
        {"line": 9, **why, "text": "long", "is_cut": True},
    ] == [json.loads(line) for line in content.splitlines()]


def test_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before the first line is read."""
    with pytest.raises(FeedError, match="cannot be written"), FailureReport.opened(tmp_path):
        pass
