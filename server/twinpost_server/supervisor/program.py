"""A program that is not ours, run as a child: Envoy, or the embedded broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twinpost_server.config.settings import KIB
from twinpost_server.supervisor import trampoline
from twinpost_server.supervisor.child import Child
from twinpost_server.supervisor.ending import Ending

__all__ = ["MISSES_MAX", "UP_TIMEOUT_S", "NotUpError", "Program", "Recipe"]

UP_TIMEOUT_S: Final = 20.0
"""How long a program may take from its start to working."""

MISSES_MAX: Final = 5
"""How often in a row a program may not be awake before it counts as wedged. Asked again and again, and not timed: after
Ctrl-Z, or a laptop's sleep, a clock shows a long silence that is not the program's fault."""

_WATCH_INTERVAL_S: Final = 1.0

_LAST_LINES: Final = 20
_TAIL_BYTES: Final = 16 * KIB
_CHUNK_BYTES: Final = 64 * KIB


class NotUpError(Exception):
    """A program runs but will not work; the text says why, to follow its name: `refused the topics`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to run, and how to deal with it.

    Attributes:
        name: the program, as people know it.
        argv: its path and its arguments.
        until_up: returns once the program works, and raises `NotUpError` if it will not.
        on_output: called on the loop with whole lines, one or more at once, of its standard error.
        stop_timeout_s: how long it may take to end when asked to.
        readable: makes a line of its standard error fit to be read by people, for the case that it dies.
        is_awake: asked every second once the program works: whether it still does anything; it may take about a second.
            `None` does not ask.
        stdout: as in `asyncio.create_subprocess_exec`; `None` shares ours.
    """

    name: str
    argv: Sequence[str]
    until_up: Callable[[], Awaitable[None]]
    on_output: Callable[[bytes], None]
    stop_timeout_s: float
    readable: Callable[[str], str] = str
    is_awake: Callable[[], Awaitable[bool]] | None = None
    stdout: int | None = None


class Program:
    """A running program, bound to the life of this process; what it writes passes through here."""

    def __init__(self, recipe: Recipe, child: Child, on_up: Callable[[], None]) -> None:
        """Take charge of a program that runs; use `start`."""
        self._recipe = recipe
        self._child = child
        self._on_up = on_up
        self._tail = b""
        self._cause: str | None = None

    @classmethod
    async def start(cls, recipe: Recipe, on_up: Callable[[], None]) -> Program:
        """Start what `recipe` says, on the loop of the main thread; `wait` then calls `on_up` once it works.

        Raises:
            OSError: the process cannot be started.
        """
        argv = trampoline.command(recipe.argv)
        return cls(recipe, await Child.start(argv, stdout=recipe.stdout, stderr=asyncio.subprocess.PIPE), on_up)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    async def wait(self) -> Ending:
        """Wait until the program has ended, by itself, or because it did not get to work or was wedged."""
        reading = asyncio.create_task(self._read())
        watching = asyncio.create_task(self._watch())
        try:
            returncode = await self._child.wait()
            # What it wrote last is still in the pipe, whose end has come by now unless somebody else holds it open.
            await asyncio.wait((reading,), timeout=1)
        finally:
            reading.cancel()
            watching.cancel()
        return Ending(self._recipe.name, returncode, self._cause, self._last_lines())

    async def stop(self) -> None:
        """End the program: ask, and end it after `stop_timeout_s`."""
        await self._child.stop(self._recipe.stop_timeout_s)

    def kill(self) -> None:
        """End the program at once."""
        self._child.kill()

    async def _watch(self) -> None:
        try:
            async with asyncio.timeout(UP_TIMEOUT_S):
                await self._recipe.until_up()
        except TimeoutError:
            self._cause = f"did not get to work within {UP_TIMEOUT_S:g} s of its start and was killed"
        except NotUpError as error:
            self._cause = f"{error}, and was killed"
        else:
            self._on_up()
            if self._recipe.is_awake is None:
                return
            await _until_wedged(self._recipe.is_awake)
            self._cause = f"did not answer {MISSES_MAX} times in a row and was killed"
        self._child.kill()

    async def _read(self) -> None:
        # In chunks, not in lines: an access log has thousands of lines a second, and this process is to stay idle.
        rest = b""
        while chunk := await self._child.stderr.read(_CHUNK_BYTES):
            lines, end, rest = (rest + chunk).rpartition(b"\n")
            if len(rest) > _CHUNK_BYTES:  # no line's end in sight
                lines, end, rest = lines + end + rest, b"\n", b""
            self._show(lines + end)
        self._show(rest)

    def _show(self, output: bytes) -> None:
        if output:
            self._tail = (self._tail + output)[-_TAIL_BYTES:]
            self._recipe.on_output(output)

    def _last_lines(self) -> tuple[str, ...]:
        lines = self._tail.decode(errors="replace").splitlines()[-_LAST_LINES:]
        return tuple(self._recipe.readable(line) for line in lines)


async def _until_wedged(is_awake: Callable[[], Awaitable[bool]]) -> None:
    misses = 0
    while misses < MISSES_MAX:
        await asyncio.sleep(_WATCH_INTERVAL_S)
        misses = 0 if await is_awake() else misses + 1
