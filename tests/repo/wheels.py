"""Packages built from a tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["built"]


def built(source: Path, target: str, directory: Path) -> Path:
    """Return the package that hatchling makes of `source`, `wheel` or `sdist`, in the empty `directory`.

    Raises:
        subprocess.CalledProcessError: it could not.
    """
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(directory)]
    subprocess.run(command, check=True, capture_output=True, cwd=source)
    (package,) = directory.iterdir()
    return package
