"""A running twinpost whose processes are watched one by one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import tomlkit

from tests.brokers.liveness import alive, command
from tests.brokers.ports import free_port
from tests.brokers.waiting import wait_for
from tests.gateway.process import Gateway

__all__ = ["WatchedGateway"]

_STOP_TIMEOUT_S = 20.0


class WatchedGateway(Gateway):
    """One run of `twinpost`; every process that was ever seen of it is remembered.

    As a context it makes sure that nothing is left of it, whatever the test did.

    Attributes:
        run_dir: where its sockets are.
        seen: its processes, also those that ended.
    """

    def __init__(self, arguments: Sequence[str], *, directory: Path, port: int, run_dir: Path | None = None) -> None:
        """Start `twinpost` with `arguments`, which make it listen on `port`."""
        super().__init__(arguments, directory=directory, port=port)
        self.run_dir = run_dir
        self.seen: set[psutil.Process] = set()

    @classmethod
    def dev(cls, directory: Path, *flags: str) -> WatchedGateway:
        """Start `twinpost dev` with `flags`; it is not ready yet."""
        port = free_port()
        return cls(["dev", "--port", str(port), "--kafka-port", "0", *flags], directory=directory, port=port)

    @classmethod
    def serving(
        cls, directory: Path, bootstrap_servers: str, settings: Mapping[str, Mapping[str, Any]], *flags: str
    ) -> WatchedGateway:
        """Start `twinpost serve`, for everyone, with `settings` by section; it is not ready yet."""
        port = free_port()
        sections = {"listen": {}, "kafka": {}, **settings}
        sections["listen"] = {"port": port, **sections["listen"]}
        sections["kafka"] = {"bootstrap_servers": bootstrap_servers, **sections["kafka"]}
        sections["auth"] = {"mode": "none"}
        config = directory / "twinpost.toml"
        config.write_text(tomlkit.dumps(sections), encoding="utf-8")
        return cls(["serve", "--config", str(config), *flags], directory=directory, port=port)

    def __enter__(self) -> Self:
        """Watch it."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End what is left of it, by id; a gateway that ended well has left nothing."""
        self.processes()
        self._process.kill()
        self._process.wait(_STOP_TIMEOUT_S)
        for process in self.seen:
            if alive(process):
                process.kill()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def processes(self) -> list[psutil.Process]:
        """Return the supervisor's children that live now."""
        try:
            children = [child for child in psutil.Process(self.pid).children() if alive(child)]
        except psutil.NoSuchProcess:
            children = []
        self.seen.update(children)
        return children

    def workers(self) -> list[psutil.Process]:
        """Return the workers that live now."""
        return [process for process in self.processes() if command(process)[-1:] == ["twinpost_server.worker"]]

    def envoys(self) -> list[psutil.Process]:
        """Return the Envoys that live now: one, or none."""
        return [process for process in self.processes() if Path(command(process)[0]).name == "envoy"]

    def brokers(self) -> list[psutil.Process]:
        """Return the embedded brokers that live now: one, or none."""
        return [process for process in self.processes() if Path(command(process)[0]).name == "tansu"]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor, and to nobody else."""
        self.processes()
        os.kill(self.pid, number)

    def ended(self, *, within_s: float) -> int:
        """Wait until the supervisor has ended and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not in time.
        """
        return self._process.wait(within_s)

    def left(self) -> list[psutil.Process]:
        """Return the processes ever seen that still live."""
        return [process for process in self.seen if alive(process)]

    def until_all_gone(self, *, within_s: float) -> None:
        """Return once no process ever seen lives.

        Raises:
            TimeoutError: some still do.
        """
        wait_for(lambda: not self.left(), lambda: f"the end of {self.left()}", timeout_s=within_s)

    def outage_s(self) -> float:
        """Return for how long requests fail, in seconds: up to the last before a quiet half second."""
        start = failed_at = time.monotonic()
        while (now := time.monotonic()) - failed_at < 0.5 or failed_at == start:
            if now - start > _STOP_TIMEOUT_S:
                msg = f"requests fail for more than {_STOP_TIMEOUT_S:g} s; the log ends with:\n{self._log_tail()}"
                raise TimeoutError(msg)
            if not self._answers():
                failed_at = time.monotonic()
            elif now - start > 2:
                break
        return failed_at - start

    def _answers(self) -> bool:
        try:
            return self.rest.send("GET", "/produce/greetings/outage", timeout_s=2.0).status == 200
        except OSError:
            return False
