"""Processor time and memory of processes that really use some."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from bench.usage import OTHERS, Usage
from tests.brokers.waiting import wait_for

# Works until it has taken a tenth of a second, says so, and waits for the end of its standard input.
WORK = """
import sys, time
held = bytearray(30 * 1024 * 1024)
while time.process_time() < 0.1:
    pass
print("worked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """A program about to work."""
    with subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as popen:
        yield popen
        popen.kill()


def test_processor_time_and_memory_are_those_of_the_process(program: subprocess.Popen[str]) -> None:
    """What it takes between begin and end, and the most that it holds."""
    assert program.stdout is not None
    usage = Usage({"server": [psutil.Process(program.pid)]}, {"kafka": [psutil.Process()]})
    usage.begin()
    with usage.watched():
        assert "worked\n" == program.stdout.readline()
        wait_for(lambda: usage.rss_bytes.get("server", 0) > 30 * 1024**2, "a look at the memory", timeout_s=10)
    usage.end()

    # The clock counts in hundredths.
    assert 0.05 <= usage.cpu_s["server"] < 5
    assert {"kafka", OTHERS} == usage.beside_cpu_s.keys()
    assert usage.beside_cpu_s[OTHERS] >= 0


def test_process_that_ended_is_not_taken_for_idle(program: subprocess.Popen[str]) -> None:
    """A worker that died under the load took no less for it."""
    usage = Usage({"server": [psutil.Process(program.pid)]}, {})
    usage.begin()
    program.kill()
    program.wait()
    with pytest.raises(psutil.NoSuchProcess):
        usage.end()
