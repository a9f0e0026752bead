"""The supervisor: the one loop that starts, replaces and stops the processes of a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from twinpost_server.config.settings import Settings
from twinpost_server.polling import until
from twinpost_server.supervisor.crew import Crew
from twinpost_server.supervisor.envoy_front import EnvoyFront
from twinpost_server.supervisor.errors import RollingRestartError, StopForcedError, SupervisorError
from twinpost_server.supervisor.inbox import GivenUp, Inbox, Roll, Stop
from twinpost_server.supervisor.keeper import Keeper, Start
from twinpost_server.supervisor.restart_budget import RestartBudget
from twinpost_server.supervisor.run_directory import RunDirectory
from twinpost_server.supervisor.slots import Slot, Slots
from twinpost_server.supervisor.worker_process import WorkerProcess

__all__ = ["WORKER_COMMAND", "Companion", "Supervisor"]

WORKER_COMMAND: Final = (sys.executable, "-P", "-m", "twinpost_server.worker")
"""`-P`: a file in the current directory must not stand in for one of the worker's modules."""

_BROKERS_TIMEOUT_S: Final = 5.0
"""How long the announcement waits for the brokers, before it is made all the same."""

_TOUCH_INTERVAL_S: Final = 3600.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Companion:
    """A process that the gateway cannot do without, and that is not started again.

    Attributes:
        name: the process, as people know it.
        start: starts it.
        if_lost: what its end means, for the message.
    """

    name: str
    start: Start
    if_lost: str


class Supervisor:
    """N workers, Envoy in front of them, and perhaps a companion behind.

    Everything happens on one loop, which must be the main thread's. `run` is called once.
    """

    def __init__(
        self,
        settings: Settings,
        run_directory: RunDirectory,
        inbox: Inbox,
        *,
        companion: Companion | None = None,
        worker_command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            settings: everything that the processes are told.
            run_directory: where sockets and Envoy's configuration go.
            inbox: where the events come from.
            companion: a process to start first and to end last.
            worker_command: what a worker is started with.
        """
        self._settings = settings
        self._inbox = inbox
        self._companion = companion
        self._companion_keeper: Keeper | None = None
        self._run_directory = run_directory
        self._front = EnvoyFront(settings, run_directory) if settings.envoy.enabled else None
        self._front_keeper: Keeper | None = None
        self._crew = Crew(
            Slots([run_directory.worker_socket(index) for index in range(settings.workers.count + 1)]),
            lambda slot, on_up: WorkerProcess.start(worker_command, settings, slot, on_up),
            self._new_budget,
            self._note_given_up,
        )
        self._announced = False
        self._rolls_wanted = 0
        self._background: set[asyncio.Task[None]] = set()

    async def run(self, announce: Callable[[], None]) -> None:
        """Run the gateway until somebody asks for its stop, then stop it; no process is left when this returns.

        Args:
            announce: called once, when every worker serves and Envoy sends it requests. One that cannot be written,
                `OSError` or rich's `SystemExit`, is logged and no more.

        Raises:
            SupervisorError: it stopped by itself, or was stopped by force.
        """
        try:
            self._start()
            self._do_beside(self._announce(announce))
            reason = await self._act()
            for task in self._background:
                task.cancel()
            forced = await self._stop()
        finally:
            # Does something only after a forced stop, or where a line above raised or was cancelled.
            await self._end()
        if reason is not None:
            raise reason
        if forced:
            raise StopForcedError

    def _start(self) -> None:
        """Start everything at once: none of the processes needs another one in order to start."""
        if self._companion is not None:
            self._companion_keeper = Keeper(
                self._companion.name, self._companion.start, None, if_lost=self._companion.if_lost
            )
            self._companion_keeper.on_given_up(self._note_given_up)
        self._crew.hire(self._settings.workers.count)
        if self._front is not None:
            self._front_keeper = Keeper("envoy", self._front.start, self._new_budget())
            self._front_keeper.on_given_up(self._note_given_up)
        self._do_beside(self._keep_files())

    async def _keep_files(self) -> None:
        while True:
            await asyncio.sleep(_TOUCH_INTERVAL_S)
            self._run_directory.touch()

    async def _act(self) -> BaseException | None:
        """Act on events until one of them ends the gateway; return why, or `None` if somebody asked for it."""
        while True:
            match await self._inbox.take():
                case Stop(number):
                    _log.info("stopping", signal=number.name)
                    return None
                case GivenUp(reason):
                    return reason
                case Roll():
                    self._roll()

    async def _stop(self) -> bool:
        """Stop politely, or at once if asked again meanwhile; return whether it was asked again."""
        stopping = asyncio.create_task(self._stop_politely())
        asked_again = asyncio.create_task(self._inbox.take_stop())
        await asyncio.wait((stopping, asked_again), return_when=asyncio.FIRST_COMPLETED)
        asked_again.cancel()
        if stopping.done():
            await stopping
            return False
        stopping.cancel()
        return True

    async def _stop_politely(self) -> None:
        # The order is what makes it polite: no new requests, then the answers to the old ones, then the workers, which
        # write out what they hold, and only then the two that they need for it.
        if self._front is not None and self._front_keeper is not None:
            # A new one would open the port again, and say that the gateway is ready.
            self._front_keeper.restart_no_more()
            if self._front_keeper.is_up:
                await self._front.drain(self._crew.end_streams)
        await self._crew.retire()
        for keeper in (self._front_keeper, self._companion_keeper):
            if keeper is not None:
                await keeper.retire()

    async def _end(self) -> None:
        keepers = [keeper for keeper in (self._front_keeper, self._companion_keeper) if keeper is not None]
        self._crew.kill()
        for keeper in keepers:
            keeper.kill()
        await asyncio.gather(self._crew.retire(), *(keeper.retire() for keeper in keepers))

    async def _announce(self, announce: Callable[[], None]) -> None:
        keepers = [keeper for keeper in (self._front_keeper, self._companion_keeper) if keeper is not None]
        # Where one of them is given up, an event says so and the gateway stops: there is nothing to announce.
        with contextlib.suppress(SupervisorError):
            await asyncio.gather(self._crew.wait_up(), *(keeper.wait_up() for keeper in keepers))
            if self._front is not None:
                await self._front_sends_requests(self._front)
            self._announced = True
            try:
                announce()
            except (OSError, SystemExit) as error:  # the latter is rich's, where nobody reads standard output any more
                _log.warning("the gateway serves, but the announcement could not be written", why=repr(error))
            # Whoever asked meanwhile, while there was nothing to replace yet, gets it now.
            await self._roll_until_enough()

    async def _front_sends_requests(self, front: EnvoyFront) -> None:
        for slot in self._crew.slots:
            await until(partial(front.is_routed, slot))
        try:
            async with asyncio.timeout(_BROKERS_TIMEOUT_S):
                await until(front.is_ready)
        except TimeoutError:
            brokers = self._settings.kafka.bootstrap_servers
            _log.warning("no broker answers yet; /readyz says 503 until one does", bootstrap_servers=brokers)

    def _roll(self) -> None:
        # However often it is asked for, one more rolling restart after the present one replaces every worker.
        self._rolls_wanted = min(self._rolls_wanted + 1, 2)
        if self._announced and self._rolls_wanted == 1:
            self._do_beside(self._roll_until_enough())

    async def _roll_until_enough(self) -> None:
        while self._rolls_wanted > 0:
            try:
                await self._crew.roll(self._may_replace)
            except RollingRestartError as error:
                _log.error("rolling restart given up; the old workers go on", why=str(error))
            self._rolls_wanted -= 1

    async def _may_replace(self, slot: Slot) -> bool:
        # Without an Envoy of ours nobody can tell; the old worker's grace period is what covers the gap.
        return self._front is None or await self._front.may_replace(slot)

    def _do_beside(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` beside the loop of events; an exception of it becomes an event."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._note_done)

    def _note_done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (reason := task.exception()) is not None:
            self._note_given_up(reason)

    def _note_given_up(self, reason: BaseException) -> None:
        self._inbox.put(GivenUp(reason))

    def _new_budget(self) -> RestartBudget:
        workers = self._settings.workers
        clock = asyncio.get_running_loop().time
        return RestartBudget(limit=workers.restart_limit, window_s=workers.restart_window_s, clock=clock)
