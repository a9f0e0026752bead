"""A program in the terminal's foreground, so that Ctrl-C reaches it and not the `make` that started it.

A terminal sends SIGINT to every process of its foreground group. GNU make dies of it whatever its recipe returns, so
`make run` could never end with exit status 0. Here the program gets a group of its own, as a shell with job control
would give it, and the terminal's foreground with it. Without a terminal nothing is moved but the signals.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["run"]

FORWARDED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def run(command: Sequence[str]) -> int:
    """Run `command` until it ends and return its exit status, 128 + N if signal N ended it.

    Signals sent to this process are passed on. Call from the main thread of a program that does nothing else.
    """
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    process = subprocess.Popen(command, process_group=0)
    for number in FORWARDED:
        signal.signal(number, lambda received, _frame: process.send_signal(received))
    # Taking the terminal back happens from the background, which stops a process that does not ignore this signal.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    while True:
        _hand_over(terminal, process.pid)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        _hand_over(terminal, os.getpgrp())
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        # Ctrl-Z: stop the group that the shell watches, and go on where the shell's `fg` lets it go on.
        os.killpg(0, signal.SIGTSTP)
        os.killpg(process.pid, signal.SIGCONT)


def _hand_over(terminal: int | None, group: int) -> None:
    # A terminal that was closed meanwhile has no foreground left to give.
    with contextlib.suppress(OSError):
        if terminal is not None:
            os.tcsetpgrp(terminal, group)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
