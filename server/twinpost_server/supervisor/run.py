"""A gateway from its first process to its last: `twinpost serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from rich.console import Console

from twinpost_server.config.settings import Settings
from twinpost_server.console import show_error
from twinpost_server.supervisor.announcement import announce
from twinpost_server.supervisor.errors import SupervisorError
from twinpost_server.supervisor.inbox import Inbox, Roll
from twinpost_server.supervisor.listening_port import require_free_port
from twinpost_server.supervisor.run_directory import RunDirectory
from twinpost_server.supervisor.supervisor import Supervisor
from twinpost_server.telemetry import log

__all__ = ["exit_code", "run"]


def run(settings: Settings) -> int:
    """Run a gateway until SIGTERM or Ctrl-C; SIGHUP replaces its workers one after another.

    Call from the main thread.

    Returns:
        0 after a stop that was asked for, 1 where it could not start or could not go on; standard error says why.
    """
    log.configure(settings.log, process="supervisor")
    return exit_code(_serve(settings))


def exit_code(gateway: Coroutine[None, None, None]) -> int:
    """Run `gateway` to its end and return what the process should exit with, once the operator was told why."""
    try:
        asyncio.run(gateway)
    except SupervisorError as error:
        show_error(Console(stderr=True), str(error))
        return 1
    except KeyboardInterrupt:  # Ctrl-C in the moment before the gateway hears signals: nothing was started yet
        return 0
    return 0


async def _serve(settings: Settings) -> None:
    inbox = Inbox()
    slots = settings.workers.count + 1
    with (
        inbox.hearing_signals(hangup=Roll()),
        RunDirectory.held(settings.run_dir, worker_slots=slots, envoy_enabled=settings.envoy.enabled) as directory,
    ):
        if settings.envoy.enabled:
            require_free_port(settings.listen.host, settings.listen.port, setting="listen.port")
        await Supervisor(settings, directory, inbox).run(lambda: announce(settings, directory))
