"""A program that becomes another one, which then dies with its parent."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import textwrap

import pytest

from twinpost_server.supervisor import trampoline


def test_process_id_and_arguments_are_the_programs_own() -> None:
    """The child is the program itself: signals and waits go to it without a step between."""
    report = "import os, sys; print(os.getpid(), sys.argv[1:])"
    with subprocess.Popen(
        trampoline.command([sys.executable, "-c", report, "a b", ""]), stdout=subprocess.PIPE, text=True
    ) as child:
        output, _ = child.communicate(timeout=20)
    assert f"{child.pid} ['a b', '']\n" == output


def test_program_that_does_not_exist_is_named() -> None:
    """A wrong path is told as such."""
    ended = subprocess.run(
        trampoline.command(["/no/such/program"]), stderr=subprocess.PIPE, text=True, timeout=20, check=False
    )
    assert (1, "cannot run /no/such/program: No such file or directory\n") == (ended.returncode, ended.stderr)


def test_orphan_does_not_start() -> None:
    """A parent that died before the bond was made leaves nothing running."""
    command = trampoline.command([sys.executable, "-c", "print('running')"])
    command[command.index(str(os.getpid()))] = "1"  # as if somebody else had become the parent meanwhile
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (1, "") == (ended.returncode, ended.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_program_dies_with_a_killed_parent() -> None:
    """SIGKILL of the parent leaves nothing behind."""
    parent = textwrap.dedent("""
        import subprocess, sys
        from twinpost_server.supervisor import trampoline
        sleeper = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
        child = subprocess.Popen(trampoline.command(sleeper), stdout=subprocess.PIPE, start_new_session=True)
        child.stdout.readline()
        print(child.pid, flush=True)
        sys.stdin.readline()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        grandchild = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
    try:
        assert _ends_within(grandchild, 5)
    finally:
        os.close(grandchild)


def _ends_within(process: int, timeout_s: float) -> bool:
    """Return whether the process behind a pidfd ends in time; it becomes readable then (pidfd_open(2))."""
    readable, _, _ = select.select([process], [], [], timeout_s)
    return bool(readable)
