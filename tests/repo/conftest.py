"""What every test of the repository looks at."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's directory."""
    return ROOT


@pytest.fixture(scope="session")
def repository(root: Path) -> Path:
    """The same, where it is a git repository; an unpacked source distribution is none."""
    if not (root / ".git").exists():
        pytest.skip("not a git repository")
    return root


@pytest.fixture(scope="session")
def tracked_files(repository: Path) -> list[Path]:
    """Every file that is, or is about to be, part of the repository, but for the fuzzers' inputs, which are no text."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the developer's git
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=repository,
    )
    paths = (repository / name for name in listing.stdout.split("\0") if name)
    inputs = repository / "tests" / "fuzz" / "corpus"
    return sorted(path for path in paths if path.is_file() and inputs not in path.parents)
