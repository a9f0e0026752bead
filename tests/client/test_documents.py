"""The examples in the client's documents do what they say, as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.process import DevGateway

DOCUMENT = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8080"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


def test_document_has_examples() -> None:
    """The test below does not pass for want of anything to run."""
    assert 3 == len([example for example in EXAMPLES if ADDRESS in example])


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_prints_numbers(dev_gateway: DevGateway, example: str) -> None:
    """Places of records; nothing fails, and nothing is said on standard error."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example.replace(ADDRESS, dev_gateway.address)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env=dict(os.environ),
        timeout=30,
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ran.stdout.split()
    assert all(number.isdigit() for number in ran.stdout.split())
