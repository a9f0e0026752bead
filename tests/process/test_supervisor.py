"""The supervisor with stub workers and without Envoy, or a stub of it: what it does when processes fail."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from structlog.testing import capture_logs

from twinpost_server.config.settings import (
    AuthSettings,
    EnvoySettings,
    KafkaSettings,
    Settings,
    TimeoutSettings,
    WorkerSettings,
)
from twinpost_server.supervisor import crew, supervisor, worker_process
from twinpost_server.supervisor.errors import (
    CrashLoopError,
    ProcessLostError,
    StartFailedError,
    StopForcedError,
    SupervisorError,
)
from twinpost_server.supervisor.inbox import Inbox, Roll, Stop
from twinpost_server.supervisor.program import Program, Recipe
from twinpost_server.supervisor.restart_budget import Exhausted
from twinpost_server.supervisor.run_directory import RunDirectory
from twinpost_server.supervisor.supervisor import Companion, Supervisor

STUB = Path(__file__).parent / "stub_worker.py"
STUB_ENVOY = Path(__file__).parent / "stub_envoy.py"
DEADLINE_S = 15.0

_Error = TypeVar("_Error", bound=SupervisorError)


class Gateway:
    """A supervisor on this loop, with its workers in processes of their own.

    Attributes:
        inbox: where to put what a signal would.
        up: set once the supervisor has announced the gateway.
        running: the supervisor's run.
    """

    def __init__(
        self,
        directory: RunDirectory,
        behaviour: str,
        companion: Companion | None,
        envoy: EnvoySettings,
        announcement_error: BaseException | None,
        **workers: float,
    ) -> None:
        """Start a gateway whose workers behave like `behaviour`."""
        self.inbox = Inbox()
        self.up = asyncio.Event()
        self._directory = directory
        settings = Settings(
            kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
            auth=AuthSettings(mode="none"),
            timeouts=TimeoutSettings(drain_grace_s=0, drain_timeout_s=0.5),
            workers=WorkerSettings.model_validate(workers),
            envoy=envoy,
        )
        command = (sys.executable, "-I", str(STUB), behaviour)
        process = Supervisor(settings, directory, self.inbox, companion=companion, worker_command=command)

        def announce() -> None:
            self.up.set()
            if announcement_error is not None:
                raise announcement_error

        self.running = asyncio.create_task(process.run(announce))

    def pids(self) -> list[int]:
        """Return the process ids that workers have left, by slot; also those of workers that ended."""
        # Read once each: a worker that takes a slot over may be about to write.
        return [int(text) for file in sorted(self._directory.path.glob("*.pid")) if (text := file.read_text())]

    def envoy_starts(self) -> int:
        """Return how often a stub of Envoy was started."""
        starts = self._directory.path / "envoy.starts"
        return len(starts.read_text().splitlines()) if starts.exists() else 0

    def living(self) -> list[int]:
        """Return the process ids of the workers that live."""
        return [pid for pid in self.pids() if _lives(pid)]

    async def fails_with(self, expected: type[_Error]) -> _Error:
        """Wait until the gateway stops by itself and return why."""
        with pytest.raises(expected) as failure:
            await self.running
        return failure.value


@asynccontextmanager
async def gateway(
    behaviour: str,
    *,
    companion: Companion | None = None,
    envoy: str | None = None,
    announcement_error: BaseException | None = None,
    **workers: float,
) -> AsyncIterator[Gateway]:
    """Run a gateway, at most for `DEADLINE_S`; at the end every worker must be gone.

    Args:
        behaviour: of the stub workers.
        companion: a process behind them.
        envoy: behaviour of a stub of Envoy; `None` for no Envoy.
        announcement_error: what the announcement raises, if anything.
        workers: settings of the section `workers`.
    """
    with tempfile.TemporaryDirectory(prefix="run-") as path, RunDirectory.held(Path(path), worker_slots=9) as directory:
        settings = EnvoySettings(enabled=envoy is not None)
        if envoy is not None:
            binary = Path(path) / "envoy"
            binary.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(STUB_ENVOY), envoy])} "$@"\n')
            binary.chmod(0o700)
            settings = EnvoySettings(binary=binary)
        started = Gateway(directory, behaviour, companion, settings, announcement_error, **workers)
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield started
                if not started.running.done():
                    started.inbox.put(Stop(signal.SIGTERM))
                    await started.running
        finally:
            started.running.cancel()
            await asyncio.wait((started.running,))
            assert [] == started.living()


async def test_gateway_is_announced_when_every_worker_serves() -> None:
    """The announcement means that all of them are there."""
    async with gateway("steady", count=3) as started:
        await started.up.wait()
        assert 3 == len(started.living())


@pytest.mark.parametrize("error", [OSError("no space left"), SystemExit(1)])
async def test_announcement_that_cannot_be_written_changes_nothing(error: BaseException) -> None:
    """Standard output on a full disk, or closed by who read it, as in `twinpost serve | true`."""
    with capture_logs() as logs:
        async with gateway("steady", announcement_error=error) as started:
            await started.up.wait()
            (old,) = started.living()
            started.inbox.put(Roll())
            await until(lambda: len(started.living()) == 1 and old not in started.living())
    told = "the gateway serves, but the announcement could not be written"
    assert [{"event": told, "why": repr(error), "log_level": "warning"}] == [
        entry for entry in logs if entry["log_level"] == "warning"
    ]


async def test_stop_ends_every_worker_and_nothing_else() -> None:
    """A stop that was asked for is no failure."""
    async with gateway("steady", count=2) as started:
        await started.up.wait()
        started.inbox.put(Stop(signal.SIGINT))
        await started.running


async def test_stop_during_the_start_ends_every_worker() -> None:
    """A worker that does not serve yet has nothing to finish: it is ended at once."""
    async with gateway("slow", count=2) as started:
        await until(lambda: len(started.living()) == 2)
        started.inbox.put(Stop(signal.SIGINT))
        async with asyncio.timeout(1):
            await started.running


async def test_killed_worker_is_started_again_at_once() -> None:
    """One worker less is made good without a wait."""
    async with gateway("steady", count=2) as started:
        await started.up.wait()
        victim, other = started.pids()
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(started.living()) == 2 and victim not in started.pids())
        assert other in started.living()


async def test_crash_loop_gives_up() -> None:
    """A worker that fails as often as allowed ends the gateway, with the reason."""
    async with gateway("dying", restart_limit=3) as started:
        error = await started.fails_with(CrashLoopError)
    assert Exhausted(3, 60) == error.exhausted
    assert str(error).startswith(
        "worker 0 exited with code 4: that was failure 3 within 60 s, so it is not started again"
    )


async def test_worker_that_cannot_start_ends_the_gateway_at_once() -> None:
    """What fails before it ever served is a matter of configuration: trying again would only hide it."""
    async with gateway("stillborn", count=2) as started:
        error = await started.fails_with(StartFailedError)
        assert not started.up.is_set()
    assert 3 == error.ending.returncode
    assert " exited with code 3: it never got to work" in str(error)


async def test_silent_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose loop says nothing any more is killed, and another one takes its place."""
    monkeypatch.setattr(worker_process, "SILENCE_MAX_S", 2)
    async with gateway("silent") as started:
        await started.up.wait()
        (wedged,) = started.pids()
        await until(lambda: len(started.living()) == 1 and started.pids() != [wedged])


async def test_worker_that_never_serves_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start has a deadline too."""
    monkeypatch.setattr(worker_process, "START_TIMEOUT_S", 1)
    async with gateway("slow", restart_limit=2) as started:
        error = await started.fails_with(CrashLoopError)
    assert str(error).startswith("worker 0 did not serve within 1 s of its start and was killed: that was failure 2")


async def test_worker_that_says_it_waits_is_left_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose users file has to be mended is alive: the deadline of the start does not end it."""
    monkeypatch.setattr(worker_process, "START_TIMEOUT_S", 2)
    async with gateway("waiting", restart_limit=1) as started:
        await started.up.wait()


async def test_worker_that_ignores_the_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop has a deadline whatever a worker does."""
    monkeypatch.setattr(worker_process, "STOP_MARGIN_S", 0.2)
    async with gateway("deaf") as started:
        await started.up.wait()
        started.inbox.put(Stop(signal.SIGTERM))
        async with asyncio.timeout(2):
            await started.running


async def test_second_stop_forces() -> None:
    """Who asks twice does not want to wait; the answer says that it was not the polite way."""
    async with gateway("deaf") as started:
        await started.up.wait()
        started.inbox.put(Stop(signal.SIGINT))
        started.inbox.put(Stop(signal.SIGINT))
        async with asyncio.timeout(1):
            await started.fails_with(StopForcedError)


@pytest.mark.parametrize("count", [1, 2])
async def test_rolling_restart_replaces_every_worker_one_by_one(count: int) -> None:
    """The new worker serves before the old one ends, so there are never fewer than before, nor two too many."""
    async with gateway("steady", count=count) as started:
        await started.up.wait()
        old = started.living()
        started.inbox.put(Roll())
        numbers = set()

        def replaced() -> bool:
            living = started.living()
            numbers.add(len(living))
            return len(living) == count and not set(living) & set(old)

        await until(replaced)
        assert numbers <= {count, count + 1}


async def test_second_rolling_restart_follows_the_first() -> None:
    """A wish that comes while one is being fulfilled is not lost."""
    async with gateway("steady") as started:
        await started.up.wait()
        seen: set[int] = set(started.living())
        started.inbox.put(Roll())
        started.inbox.put(Roll())

        def twice_replaced() -> bool:
            seen.update(started.living())
            return len(seen) == 3

        await until(twice_replaced)


async def test_rolling_restart_asked_for_during_the_start_follows_it() -> None:
    """A signal that comes early is not lost."""
    async with gateway("steady") as started:
        started.inbox.put(Roll())
        await started.up.wait()
        (old,) = started.pids()
        await until(lambda: started.living() not in ([], [old]) and old not in started.living())


async def test_stop_during_a_rolling_restart_ends_old_and_new() -> None:
    """Nobody is forgotten who was just coming or going."""
    async with gateway("steady", count=2) as started:
        await started.up.wait()
        started.inbox.put(Roll())
        await until(lambda: len(started.pids()) == 3)
        started.inbox.put(Stop(signal.SIGTERM))
        await started.running


async def test_rolling_restart_is_given_up_where_the_new_worker_does_not_reach_the_brokers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old worker reaches them: it stays, rather than to make room for one that answers 503."""
    monkeypatch.setattr(crew, "REPLACEMENT_TIMEOUT_S", 1.0)
    with capture_logs() as logs:
        async with gateway("steady", envoy="picky") as started:
            await started.up.wait()
            old = started.living()
            started.inbox.put(Roll())
            await until(lambda: any(str(entry["event"]).startswith("rolling restart") for entry in logs))
            assert old == started.living()
    (told,) = (entry for entry in logs if str(entry["event"]).startswith("rolling restart"))
    assert "rolling restart given up; the old workers go on" == told["event"]
    assert str(told["why"]).startswith("the new worker 1 did not get requests, or not reach the brokers")


async def test_rolling_restart_goes_on_where_no_worker_reaches_the_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new worker that is no worse than the old ones takes over: a restart may be what mends it."""
    monkeypatch.setattr(supervisor, "_BROKERS_TIMEOUT_S", 0.1)
    async with gateway("steady", envoy="careless") as started:
        await started.up.wait()
        (old,) = started.living()
        started.inbox.put(Roll())
        await until(lambda: len(started.living()) == 1 and old not in started.living())


async def test_envoy_that_dies_during_the_stop_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would open the port again, and say that a gateway is ready which is leaving."""
    monkeypatch.setattr(worker_process, "STOP_MARGIN_S", 1.0)  # with the drain, ample time to start another
    async with gateway("deaf", envoy="mortal") as started:
        await started.up.wait()
        started.inbox.put(Stop(signal.SIGTERM))
        await started.running
        assert 1 == started.envoy_starts()


async def test_lost_companion_ends_the_gateway() -> None:
    """What cannot be started again, as records in memory, is not replaced in silence."""
    pids: list[int] = []

    async def start(on_up: Callable[[], None]) -> Program:
        recipe = Recipe(
            "companion",
            [sys.executable, "-c", "import time; time.sleep(60)"],
            until_up=_at_once,
            on_output=lambda _output: None,
            stop_timeout_s=1,
        )
        program = await Program.start(recipe, on_up)
        pids.append(program.pid)
        return program

    async with gateway("steady", companion=Companion("companion", start, "nothing works without it")) as started:
        await started.up.wait()
        await until(lambda: psutil.Process(pids[0]).cmdline()[1:2] == ["-c"])  # the trampoline has jumped
        os.kill(pids[0], signal.SIGKILL)
        error = await started.fails_with(ProcessLostError)
    assert str(error).startswith("companion was ended by SIGKILL: nothing works without it")


async def _at_once() -> None:
    """Be up at once."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; the gateway's deadline bounds it."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
