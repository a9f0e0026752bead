"""Whether a process still lives, and what it runs: asked of processes that may end at any moment."""

from __future__ import annotations

import psutil

__all__ = ["alive", "command"]


def alive(process: psutil.Process) -> bool:
    """Return whether `process` has not ended; one that its parent has not taken notice of yet has."""
    try:
        # It may end between the two.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command(process: psutil.Process) -> list[str]:
    """Return the command line of `process`: `[""]` where it has ended."""
    try:
        return process.cmdline() or [""]
    except psutil.NoSuchProcess:
        return [""]
