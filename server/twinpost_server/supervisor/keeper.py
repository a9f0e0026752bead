"""The keeper of one process: it starts it, and starts it again when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from twinpost_server.supervisor.ending import Ending
from twinpost_server.supervisor.errors import CrashLoopError, ProcessLostError, StartFailedError
from twinpost_server.supervisor.restart_budget import Exhausted, RestartBudget

__all__ = ["Keeper", "Kept", "Start"]

_log = structlog.get_logger(__name__)


class Kept(Protocol):
    """A running process that a keeper can keep."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    async def wait(self) -> Ending:
        """Wait until it has ended and return how."""
        ...

    async def stop(self) -> None:
        """End it politely, within a deadline of its own; it has ended when this returns."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


Start = Callable[[Callable[[], None]], Awaitable[Kept]]
"""Starts a process; calls what it is given, on the loop, once the process works."""


class Keeper:
    """Keeps one process running until it is retired, or until it fails too often.

    Attributes:
        name: the process, as people know it.
    """

    def __init__(self, name: str, start: Start, budget: RestartBudget | None, *, if_lost: str = "") -> None:
        """Start keeping at once; must be called on a running loop.

        Args:
            name: the process, as people know it.
            start: starts the process.
            budget: how often it may fail, or `None` where it is not started again.
            if_lost: what follows where it is not started again, for the message.
        """
        self.name = name
        self._start = start
        self._budget = budget
        self._if_lost = if_lost
        self._process: Kept | None = None
        self._up = asyncio.Event()
        self._up_since = 0.0
        self._ever_up = False
        self._retiring = asyncio.Event()
        self._killing = False
        self._last_life = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name=f"keep {name}")

    @property
    def is_up(self) -> bool:
        """Whether the process works now, as far as is known."""
        return self._up.is_set()

    @property
    def pid(self) -> int | None:
        """The id of the process, or `None` between two of them."""
        return None if self._process is None else self._process.pid

    async def wait_up(self) -> None:
        """Wait until the process works.

        Raises:
            SupervisorError: it was given up first.
        """
        if self._up.is_set():
            return
        up = asyncio.create_task(self._up.wait())
        try:
            await asyncio.wait((up, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
        if self._task.done():
            await self._task

    def on_given_up(self, report: Callable[[BaseException], None]) -> None:
        """Have `report` called on the loop with the reason if the process is given up, or was already."""

        def look(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (reason := task.exception()) is not None:
                report(reason)

        self._task.add_done_callback(look)

    def restart_no_more(self) -> None:
        """Keep the process for as long as it lives, and start no other one after it, whyever it ends."""
        self._last_life.set()

    async def retire(self) -> None:
        """End the process politely and keep it no longer; it has ended when this returns.

        Raises nothing where the process was given up before: `wait_up` and `on_given_up` tell that.
        """
        self._retiring.set()
        await asyncio.wait((self._task,))

    def kill(self) -> None:
        """End the process at once and keep it no longer; `retire` then waits until it is so."""
        self._killing = True
        self._retiring.set()
        if self._process is not None:
            self._process.kill()

    async def _keep(self) -> None:
        while not self._retiring.is_set() and not self._last_life.is_set():
            ending = await self._live_once()
            if ending is None:
                return
            if self._last_life.is_set():
                self._up.clear()
                _log.warning("process ended and is not started again", process_ended=str(ending))
                return
            worked_s = asyncio.get_running_loop().time() - self._up_since if self.is_up else 0.0
            self._up.clear()
            delay_s = self._delay_s(ending, worked_s)
            _log.warning("process ended and is started again", process_ended=str(ending), delay_s=delay_s)
            await self._pause(delay_s)

    async def _live_once(self) -> Ending | None:
        """Start the process and wait until it ends: return how, or `None` where it was retired."""
        try:
            process = self._process = await self._start(self._note_up)
        except OSError as error:
            return Ending(self.name, None, f"could not be started ({error})")
        ended = asyncio.create_task(process.wait())
        retiring = asyncio.create_task(self._retiring.wait())
        try:
            await asyncio.wait((ended, retiring), return_when=asyncio.FIRST_COMPLETED)
            if self._retiring.is_set():
                if self._killing:  # said while the process was being started, when there was nothing to kill yet
                    process.kill()
                await process.stop()
                await ended
                return None
            return ended.result()
        finally:
            retiring.cancel()
            self._process = None

    def _delay_s(self, ending: Ending, worked_s: float) -> float:
        """Return how long to wait before the next start, in seconds.

        Raises:
            ProcessLostError: there is to be none.
        """
        if not self._ever_up and ending.by_itself:
            raise StartFailedError(ending)
        if self._budget is None:
            raise ProcessLostError(ending, self._if_lost)
        verdict = self._budget.failed(worked_s=worked_s)
        if isinstance(verdict, Exhausted):
            raise CrashLoopError(ending, verdict)
        return verdict

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._retiring.wait()
        except TimeoutError:
            return

    def _note_up(self) -> None:
        self._ever_up = True
        self._up_since = asyncio.get_running_loop().time()
        self._up.set()
