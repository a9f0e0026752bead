"""A program that becomes another one, which then dies with its parent.

Run as a script, in isolated mode, by `command`: `python -I -S trampoline.py PARENT_PID PROGRAM ARGUMENT...`. It imports
nothing of the package, so that it costs about 15 ms. The process id does not change: the supervisor's child is the
program itself. Only Linux has the means (prctl(2), PR_SET_PDEATHSIG); elsewhere the program outlives a killed parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

__all__ = ["command"]

_PR_SET_PDEATHSIG = 1


def command(program: Sequence[str]) -> list[str]:
    """Return the command that runs `program` bound to the life of the calling process.

    The bond is to the calling *thread*: call it, and start the process, on the main thread.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def _become(parent_pid: int, program: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the line above took effect; then nobody would ever send the signal.
    if os.getppid() != parent_pid:
        sys.exit(f"process {parent_pid} that started this one is gone")
    # Python ignores SIGPIPE, and what is ignored stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606 - a program and its arguments, never a shell
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
