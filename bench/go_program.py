"""A Go program of the benchmark: built from its directory, with the versions that its go.sum pins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["GoMissing", "built"]

CACHE: Final = Path(__file__).parent / ".cache"
"""Where programs go; git does not see it."""

_BUILD_TIMEOUT_S: Final = 1800.0
_TAIL_CHARACTERS: Final = 1500


class GoMissing(Exception):
    """A program could not be built; the message says why."""


def built(directory: Path, package: str, name: str) -> Path:
    """Build `package`, as the module in `directory` requires it, and return the program, called `name`.

    Raises:
        GoMissing: there is no Go here, or it could not build the program.
    """
    go = shutil.which("go")
    if go is None:
        msg = f"{name} is written in Go, and there is no `go` on PATH: install Go 1.26 or newer (https://go.dev/dl)"
        raise GoMissing(msg)
    program = CACHE / name
    # Where nothing has changed Go's own cache makes this a matter of a second.
    ran = subprocess.run(
        [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o", program, package],
        check=False,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
    )
    if ran.returncode:
        msg = f"{name} could not be built: go build {package} ended with …{ran.stdout.strip()[-_TAIL_CHARACTERS:]}"
        raise GoMissing(msg)
    return program
