"""The log on standard error, of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

PROGRAM = """
import logging, sys
import structlog
from twinpost_server.config.settings import LogSettings
from twinpost_server.telemetry import log

log.configure(LogSettings(level=sys.argv[1], format=sys.argv[2]), process="worker-7")
ours = structlog.get_logger("twinpost_server.test")
ours.debug("a detail", number=1)
ours.info("an event", topic="t")
ours.error("a fault")
logging.getLogger("librdkafka").error("brokers are away")
logging.getLogger("other").info("chatter")
logging.getLogger("other").warning("a warning")
try:
    password = "hunter2"
    raise RuntimeError("it broke")
except RuntimeError:
    ours.exception("caught")
"""


@cache
def logged(level: str, style: str) -> str:
    """Return what the program logs."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, style], check=True, capture_output=True, text=True, timeout=30
    )
    assert "" == ended.stdout
    return ended.stderr


def events(level: str) -> list[str]:
    """Return the events that are logged as JSON."""
    return [json.loads(line)["event"] for line in logged(level, "json").splitlines()]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["a detail", "an event", "a fault", "brokers are away", "a warning", "caught"]),
        ("info", ["an event", "a fault", "a warning", "caught"]),
        ("error", ["a fault", "caught"]),
    ],
)
def test_level_is_the_least_severe_that_is_written(level: str, expected: list[str]) -> None:
    """librdkafka repeats itself while brokers are away, and is heard at the level debug alone."""
    assert expected == events(level)


def test_json_lines_say_when_who_and_what() -> None:
    """One object a line, whoever logs."""
    lines = [json.loads(line) for line in logged("info", "json").splitlines()]
    assert {"worker-7"} == {line["process"] for line in lines}
    assert all(line["ts"].endswith("Z") for line in lines)
    assert ("an event", "info", "t") == (lines[0]["event"], lines[0]["level"], lines[0]["topic"])


@pytest.mark.parametrize("style", ["json", "text"])
def test_fault_is_logged_with_its_trace_and_without_local_variables(style: str) -> None:
    """They are passwords and payloads."""
    text = logged("info", style)
    assert "RuntimeError: it broke" in text
    assert "hunter2" not in text.replace('password = "hunter2"', "")


def test_pipe_gets_json_unless_text_is_asked_for() -> None:
    """Text is for terminals."""
    assert all(line.startswith("{") for line in logged("error", "auto").splitlines())
