"""Programs in Go that can, and that cannot, be built."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.go_program import GoMissing, built
from tests.brokers.prerequisites import needs_program

BUILD_TIMEOUT_S = 120


def test_without_go_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no Go learns which, and what for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GoMissing, match=r"kafka-pixy is written in Go.*install Go 1\.\d+ or newer"):
        built(tmp_path, ".", "kafka-pixy")


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_failed_build_says_why(tmp_path: Path) -> None:
    """The compiler's own words are in the message."""
    needs_program("go", "build a program that cannot be built")
    (tmp_path / "go.mod").write_text("module broken\n", encoding="utf-8")
    (tmp_path / "main.go").write_text("package main\n\nfunc main() { missing() }\n", encoding="utf-8")
    with pytest.raises(GoMissing, match=r"(?s)broken could not be built.*undefined: missing"):
        built(tmp_path, ".", "broken")
