"""One worker process, as the supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from twinpost_server.config.settings import Settings
from twinpost_server.supervisor.child import Child
from twinpost_server.supervisor.ending import Ending
from twinpost_server.supervisor.slots import Slot

__all__ = ["SILENCE_MAX_S", "START_TIMEOUT_S", "STOP_MARGIN_S", "WorkerProcess"]

SILENCE_MAX_S: Final = 10
"""A worker whose event loop says nothing for so long is wedged. It says `alive` every second."""

START_TIMEOUT_S: Final = 30
"""How long a worker may take from its start to serving, or to a first `alive`, which it says while it has to wait."""

STOP_MARGIN_S: Final = 2.0
"""How long a worker may take beyond its own drain deadlines, before it is killed."""

_log = structlog.get_logger(__name__)


class WorkerProcess:
    """A worker: told its settings on standard input, heard on standard output.

    Standard input stays open: another line asks for the end of streams, its end says that the supervisor is gone. Each
    line of standard output is a JSON object with an `event`: `serving` once, `alive` every second, `draining` once. A
    worker that waits for a file to be mended says `alive` before `serving`, and is left to wait.
    """

    def __init__(self, name: str, child: Child, settings: Settings, on_up: Callable[[], None]) -> None:
        """Wrap a running worker; use `start`."""
        self.name = name
        self._child = child
        self._stop_timeout_s = settings.timeouts.drain_grace_s + settings.timeouts.drain_timeout_s + STOP_MARGIN_S
        self._on_up = on_up
        self._serving = False
        self._silent_s = 0
        self._cause: str | None = None

    @classmethod
    async def start(
        cls, command: Sequence[str], settings: Settings, slot: Slot, on_up: Callable[[], None]
    ) -> WorkerProcess:
        """Start a worker in `slot`; `on_up` is called on the loop when it serves.

        Raises:
            OSError: the process cannot be started.
        """
        # What a killed worker left here would look to Envoy like a worker that refuses connections.
        slot.socket.unlink(missing_ok=True)
        child = await Child.start(command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        worker = cls(f"worker {slot.index}", child, settings, on_up)
        order = {"settings": settings.model_dump(mode="json"), "index": slot.index, "socket": str(slot.socket)}
        child.stdin.write(json.dumps(order).encode() + b"\n")
        _log.info("worker started", worker=slot.index, pid=child.pid)
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    async def wait(self) -> Ending:
        """Wait until the process has ended, by itself or because it was silent for too long."""
        listening = asyncio.create_task(self._listen())
        watching = asyncio.create_task(self._watch())
        try:
            returncode = await self._child.wait()
        finally:
            listening.cancel()
            watching.cancel()
        return Ending(self.name, returncode, self._cause)

    def end_streams(self) -> None:
        """Ask the worker to end every stream once what it has sent is answered; other requests go on."""
        self._child.stdin.write(b"end streams\n")

    async def stop(self) -> None:
        """End the process: politely and within its own deadlines where it serves, at once where it does not yet."""
        if not self._serving:
            self._child.kill()
        if not await self._child.stop(self._stop_timeout_s):
            _log.warning("worker did not end in time and was killed", worker=self.name, timeout_s=self._stop_timeout_s)

    def kill(self) -> None:
        """End the process at once."""
        self._child.kill()

    async def _listen(self) -> None:
        while True:
            try:
                line = await self._child.stdout.readline()
            except ValueError:  # a line without an end in sight: no event of ours
                continue
            if not line:
                return
            self._silent_s = 0
            if _event(line) == "serving" and not self._serving:
                self._serving = True
                self._on_up()

    async def _watch(self) -> None:
        # Silence is counted in seconds that this process was awake for: after Ctrl-Z, or a laptop's sleep, the clock
        # shows a long silence that is not the worker's fault.
        while self._cause is None:
            await asyncio.sleep(1)
            self._silent_s += 1
            if self._serving and self._silent_s >= SILENCE_MAX_S:
                self._cause = f"was silent for {self._silent_s} s and was killed"
            elif not self._serving and self._silent_s >= START_TIMEOUT_S:
                self._cause = f"did not serve within {self._silent_s} s of its start and was killed"
        self._child.kill()


def _event(line: bytes) -> object:
    """Return the event that `line` tells; a library's stray print is no event."""
    with contextlib.suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict):
            return message.get("event")
    return None
