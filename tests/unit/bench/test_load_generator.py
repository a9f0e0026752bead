"""The load generator: its own tests, and its style."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.brokers.prerequisites import needs_program

MODULE = Path(__file__).parents[3] / "bench" / "load"
TIMEOUT_S = 300


@pytest.fixture(scope="module")
def go() -> Path:
    """Go, with the modules there that the generator requires: Go tells on standard error what it fetches."""
    program = needs_program("go", "build the load generator")
    fetched = subprocess.run(
        [program, "mod", "download"], cwd=MODULE, check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert 0 == fetched.returncode, fetched.stderr
    return program


@pytest.mark.timeout(2 * TIMEOUT_S)
@pytest.mark.parametrize("command", [("vet", "./..."), ("test", "./...")], ids=lambda command: command[0])
def test_go_is_content(go: Path, command: tuple[str, ...]) -> None:
    """`go vet` finds nothing, and the generator's own tests pass."""
    ran = subprocess.run([go, *command], cwd=MODULE, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (0, "") == (ran.returncode, ran.stderr), ran.stdout


def test_go_is_formatted() -> None:
    """`gofmt` would change nothing."""
    gofmt = needs_program("gofmt", "check the load generator's style")
    assert "" == subprocess.run([gofmt, "-l", MODULE.parent], check=True, capture_output=True, text=True).stdout
