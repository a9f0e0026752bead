"""The foreground: Ctrl-C ends the program that `make` started, and `make` reports its status."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Answers Ctrl-C as twinpost does: by ending well.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit("stopped well" if "--fail" in sys.argv else 0))
print("up", flush=True)
signal.pause()
"""

# Gives the terminal on standard input to the session that it leads, then becomes the command.
LEADER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


pytestmark = pytest.mark.usefixtures("interruptible")


@pytest.fixture
def makefile(root: Path, tmp_path: Path) -> Path:
    """A Makefile whose `run` runs `program` the way the project's own does."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    makefile = tmp_path / "Makefile"
    command = f"{sys.executable} -m tools.foreground {sys.executable} {program} $(ARGS)"
    makefile.write_text(f"run:\n\t@cd {root} && {command}\n", encoding="utf-8")
    return makefile


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: the side of the person, the side of the programs."""
    person, programs = pty.openpty()
    yield person, programs
    os.close(person)


def _read_until(descriptor: int, expected: bytes) -> bytes:
    seen = b""
    while expected not in seen:
        seen += os.read(descriptor, 4096)
    return seen


@pytest.mark.parametrize(("arguments", "status"), [("", 0), ("--fail", 2)])
def test_ctrl_c_ends_make_with_the_status_of_the_program(
    makefile: Path, terminal: tuple[int, int], arguments: str, status: int
) -> None:
    """`make` is spared the signal: it exits 0 where the program does, and fails where the program fails."""
    person, programs = terminal
    make = subprocess.Popen(
        [sys.executable, "-c", LEADER, "make", "-f", str(makefile), "run", f"ARGS={arguments}"],
        stdin=programs,
        stdout=programs,
        stderr=programs,
        start_new_session=True,
    )
    os.close(programs)
    _read_until(person, b"up")
    os.write(person, b"\x03")
    assert status == make.wait()


def test_without_a_terminal_a_signal_to_the_group_ends_the_program(makefile: Path) -> None:
    """A program that nobody can press Ctrl-C for still ends; that `make` itself dies of the signal is make's way."""
    make = subprocess.Popen(
        ["make", "-f", str(makefile), "run"],  # noqa: S607 - the developer's make
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert make.stdout is not None
    _read_until(make.stdout.fileno(), b"up")
    os.killpg(make.pid, signal.SIGINT)
    # The pipe ends when the last process that holds it has: the program too.
    rest = make.stdout.read()
    assert -signal.SIGINT == make.wait()
    assert b"Interrupt" in rest
    make.stdout.close()


def test_status_of_a_program_that_a_signal_ended_is_the_shells(root: Path) -> None:
    """128 + the signal's number, as shells report it."""
    killed = f"import os; os.kill(os.getpid(), {signal.SIGTERM:d})"
    command = [sys.executable, "-m", "tools.foreground", sys.executable, "-c", killed]
    assert 128 + signal.SIGTERM == subprocess.run(command, check=False, cwd=root).returncode
