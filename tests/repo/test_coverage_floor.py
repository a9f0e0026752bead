"""The coverage floor only rises."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.coverage_floor import floor_of, past_floors


def test_floor_is_no_lower_than_it_ever_was(repository: Path) -> None:
    """No commit of this branch had a higher floor than the tree has now."""
    floor = floor_of((repository / "pyproject.toml").read_text(encoding="utf-8"))
    assert {} == {commit: past for commit, past in past_floors(repository).items() if past > floor}


def test_past_floors_are_those_of_the_commits_that_changed_them(tmp_path: Path) -> None:
    """A floor that was lowered stays known; commits about something else are left out."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True, cwd=tmp_path)
    for text in ("fail_under = 90", "fail_under = 80", "fail_under = 80\nprecision = 2"):
        (tmp_path / "pyproject.toml").write_text(f"[tool.coverage.report]\n{text}\n", encoding="utf-8")
        subprocess.run([*git, "add", "pyproject.toml"], check=True, cwd=tmp_path)
        subprocess.run([*git, "commit", "-q", "-m", "a commit"], check=True, cwd=tmp_path)
    assert [80.0, 90.0] == list(past_floors(tmp_path).values())


def test_missing_floor_is_zero() -> None:
    """A tree from before there was a floor holds nobody back."""
    assert 0.0 == floor_of("[project]\n")
