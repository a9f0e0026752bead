"""The coverage floor: `fail_under` in `pyproject.toml`, which only rises."""

from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import tomlkit

__all__ = ["floor_of", "past_floors"]

ROOT: Final = Path(__file__).resolve().parent.parent
PYPROJECT: Final = "pyproject.toml"


def floor_of(pyproject: str) -> float:
    """Return the floor, in percent, that the text of a `pyproject.toml` sets; 0 where it sets none."""
    report = tomllib.loads(pyproject).get("tool", {}).get("coverage", {}).get("report", {})
    return float(report.get("fail_under", 0))


def past_floors(repository: Path) -> dict[str, float]:
    """Return the floor after each commit of `repository`'s current branch that touched `fail_under`, by commit.

    Raises:
        subprocess.CalledProcessError: `repository` is not a git repository, or has no commit.
    """
    commits = _git(repository, "log", "--format=%H", "-G", "fail_under", "--", PYPROJECT).split()
    return {commit: floor_of(_git(repository, "show", f"{commit}:{PYPROJECT}")) for commit in commits}


def main() -> None:
    """Raise the floor to what the last test run reached, rounded down to a whole percent; never lower it."""
    answer = subprocess.run(
        [sys.executable, "-m", "coverage", "report", "--format=total", "--precision=2", "--fail-under=0"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    reached = math.floor(float(answer.stdout))
    path = ROOT / PYPROJECT
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    floor = floor_of(document.as_string())
    if reached <= floor:
        print(f"the floor stays at {floor:g} %: the last run reached {reached} %")
        return
    document["tool"]["coverage"]["report"]["fail_under"] = reached
    path.write_text(document.as_string(), encoding="utf-8")
    print(f"the floor rises from {floor:g} % to {reached} %")


def _git(repository: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the developer's own git
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=repository,
    )
    return answer.stdout


if __name__ == "__main__":
    main()
