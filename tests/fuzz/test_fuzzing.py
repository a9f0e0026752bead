"""A bounded run of the fuzzer on each target; FUZZ_S sets how long, in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

FUZZ_S = int(os.environ.get("FUZZ_S", "12"))

_ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_START_S = 30
_SLOW_S = 5
"""No input this short may take this long."""


@pytest.mark.timeout(FUZZ_S + 2 * _START_S)
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_a_promise(target: str, tmp_path: Path) -> None:
    """What is found is printed: put it into the corpus, and mend the fault."""
    if os.environ.get("CI") != "true":
        pytest.importorskip("atheris", reason="the fuzzer has no build for this platform")
    new, found = tmp_path / "new", tmp_path / "found"
    new.mkdir()
    found.mkdir()
    flags = [
        f"-max_total_time={FUZZ_S}",
        f"-timeout={_SLOW_S}",
        "-max_len=2000",
        f"-dict={_HERE / 'tokens.dict'}",
        f"-artifact_prefix={found}/",
    ]
    # Measuring coverage in two ways at once would only make the fuzzer slow.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "COVERAGE"))}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzzer", target, *flags, new, _HERE / "corpus" / target],
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=FUZZ_S + _START_S,
        check=False,
    )

    told = [f"{file.name}: {file.read_bytes()!r}" for file in found.iterdir()]
    assert (0, []) == (ended.returncode, told), ended.stderr.decode(errors="replace")[-4000:]
