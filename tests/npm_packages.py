"""Packages from npm that a suite's JavaScript needs."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.brokers.prerequisites import needs_program

__all__ = ["install_npm_packages"]

_TIMEOUT_S = 120


def install_npm_packages(directory: Path, purpose: str) -> None:
    """Install what `directory`'s package.json names, unless that was done before; a new package.json installs it anew.

    Without Node the test is skipped, or fails under `CI=true`; `purpose` says what it is needed for.
    """
    node_modules = directory / "node_modules"
    installed = node_modules / "package.json"
    wanted = (directory / "package.json").read_bytes()
    needs_program("node", purpose)
    node_modules.mkdir(exist_ok=True)
    # Several test runs, or workers of one, may get here at once.
    with (node_modules / ".twinpost-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_bytes() != wanted:
            npm = needs_program("npm", purpose)
            # A lock file would carry registry addresses.
            subprocess.run(
                [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"],
                cwd=directory,
                check=True,
                timeout=_TIMEOUT_S,
            )
            shutil.copyfile(directory / "package.json", installed)
