"""A program that is not ours, run as a child."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from twinpost_server.supervisor import program
from twinpost_server.supervisor.ending import Ending
from twinpost_server.supervisor.program import NotUpError, Program, Recipe

SLEEPER = "import time; time.sleep(60)"
DEADLINE_S = 15.0


async def _never() -> None:
    await asyncio.Event().wait()


async def _at_once() -> None:
    pass


async def _refuse() -> None:
    msg = "refused the topics"
    raise NotUpError(msg)


async def _ending(code: str, recipe: Recipe | None = None) -> Ending:
    """Run Python code as a program and return how it ended; it must do so by itself, or be ended for a reason."""
    recipe = recipe or Recipe("it", [sys.executable, "-c", code], _never, lambda _output: None, 1)
    started = await Program.start(recipe, lambda: None)
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await started.wait()
    finally:
        started.kill()


async def test_program_that_will_not_work_is_ended_with_the_reason() -> None:
    """A program that runs but is of no use does not stay."""
    recipe = Recipe("it", [sys.executable, "-c", SLEEPER], _refuse, lambda _output: None, 1)
    assert Ending("it", -signal.SIGKILL, "refused the topics, and was killed") == await _ending("", recipe)


async def test_program_that_never_works_is_ended_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start has a deadline."""
    monkeypatch.setattr(program, "UP_TIMEOUT_S", 0.2)
    ending = await _ending(SLEEPER)
    assert "it did not get to work within 0.2 s of its start and was killed" == str(ending)


async def test_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked once it works, and a single miss says nothing: it may have been a laptop's sleep."""
    monkeypatch.setattr(program, "_WATCH_INTERVAL_S", 0.01)
    answers = iter([True, False, False, False, False, True, *[False] * program.MISSES_MAX])
    asked: list[bool] = []

    async def is_awake() -> bool:
        asked.append(next(answers))
        return asked[-1]

    recipe = Recipe("it", [sys.executable, "-c", SLEEPER], _at_once, lambda _output: None, 1, is_awake=is_awake)
    ending = await _ending("", recipe)
    assert "it did not answer 5 times in a row and was killed" == str(ending)
    assert 11 == len(asked)


async def test_last_lines_are_kept_for_people() -> None:
    """What it wrote before its end is at hand, the newest lines only, in a form for people."""
    code = "import sys; sys.stderr.write(''.join(f'line {n}\\n' for n in range(100)) + 'and no end'); sys.exit(7)"
    shown: list[bytes] = []
    recipe = Recipe("it", [sys.executable, "-c", code], _never, shown.append, 1, readable=str.upper)
    ending = await _ending("", recipe)
    assert (7, "LINE 81", "AND NO END") == (ending.returncode, ending.last_lines[0], ending.last_lines[-1])
    assert 100 == b"".join(shown).count(b"line ")


async def test_output_is_passed_on_in_whole_lines() -> None:
    """Lines of several processes go to one place, and none is cut in two there."""
    code = "import sys\nfor part in ('one', ' line\\nan', 'other\\n'): sys.stderr.write(part); sys.stderr.flush()"
    shown: list[bytes] = []
    await _ending("", Recipe("it", [sys.executable, "-c", code], _never, shown.append, 1))
    assert b"one line\nanother\n" == b"".join(shown)
    assert all(output.endswith(b"\n") for output in shown)


async def test_stop_ends_a_program_that_ignores_it() -> None:
    """Asking is tried first, for as long as the recipe says."""
    ignore = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    ignoring = asyncio.Event()
    command = [sys.executable, "-c", f"{ignore}; sys.stderr.write('ignoring\\n'); sys.stderr.flush(); signal.pause()"]
    started = await Program.start(Recipe("it", command, _never, lambda _output: ignoring.set(), 0.2), lambda: None)
    ended = asyncio.create_task(started.wait())
    async with asyncio.timeout(DEADLINE_S):
        await ignoring.wait()
        await started.stop()
        assert -signal.SIGKILL == (await ended).returncode
