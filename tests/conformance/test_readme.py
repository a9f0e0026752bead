"""The README's examples do what it says, as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers.ledger import read_topic
from tests.brokers.prerequisites import needs_program
from tests.gateway.process import DevGateway

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8080"


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


CURL_LINES = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("curl ")]
PYTHON_BLOCKS = [block for block in blocks("python") if ADDRESS in block]


def test_readme_has_examples() -> None:
    """The tests below do not pass for want of anything to run."""
    assert len(CURL_LINES) >= 5
    assert len(PYTHON_BLOCKS) >= 1


@pytest.mark.parametrize("line", CURL_LINES)
def test_curl_line_prints_the_documented_answer(dev_gateway: DevGateway, line: str) -> None:
    """One object for a message in the path, else an array; every number a number; and Kafka holds what it says."""
    needs_program("curl", "run the README's examples")
    ran = subprocess.run(
        ["bash", "-c", line.replace(ADDRESS, dev_gateway.address) + " --silent --show-error --fail-with-body"],  # noqa: S607
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
    )

    assert (0, "") == (ran.returncode, ran.stderr), ran.stdout
    answer = json.loads(ran.stdout)
    assert isinstance(answer, list) is (" -d " in line)
    places = answer if isinstance(answer, list) else [answer]
    assert places
    for place in places:
        assert ["topic", "partition", "offset", "timestamp"] == list(place)
        assert [str, int, int, int] == [type(value) for value in place.values()]
        held = read_topic(dev_gateway.bootstrap_servers, place["topic"])
        [record] = [other for other in held if (other.partition, other.offset) == (place["partition"], place["offset"])]
        assert record.timestamp == place["timestamp"]
        assert record.value is not None
        assert record.value.decode() in line


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_example_prints_an_offset(dev_gateway: DevGateway, block: str) -> None:
    """It runs as it stands, beside the generated package."""
    ran = subprocess.run(
        [sys.executable, "-c", block.replace(ADDRESS, dev_gateway.address)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env=dict(os.environ),
        timeout=30,
    )

    assert (0, "") == (ran.returncode, ran.stderr)
    assert int(ran.stdout) >= 0
