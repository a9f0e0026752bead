"""A running twinpost: supervisor, workers and Envoy, started and stopped as users do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import tomlkit

from tests.brokers.liveness import alive
from tests.brokers.ports import LOOPBACK, free_port
from tests.brokers.waiting import wait_for
from tests.gateway.rest import RestClient
from tests.gateway.users import MYUSER
from twinpost_server.supervisor import trampoline

__all__ = ["DevGateway", "Gateway"]

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 20.0
_LOG_TAIL_CHARACTERS = 6000


class Gateway:
    """One run of the command `twinpost`, on a port of its own; it dies with this process, however that ends.

    Attributes:
        port: the public port.
        rest: a REST client with the credentials of `myuser`.
    """

    def __init__(self, arguments: Sequence[str], *, directory: Path, port: int) -> None:
        """Start `twinpost` with `arguments`, which make it listen on `port`.

        Args:
            arguments: the subcommand and its flags.
            directory: where it runs and logs.
            port: what `arguments` make it listen on.
        """
        self.port = port
        self.rest = RestClient(port, MYUSER)
        self._log_file = directory / "twinpost.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TWINPOST_")}
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                trampoline.command([sys.executable, "-m", "twinpost_server", *arguments]),
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for pytest, which then stops the gateway.
                start_new_session=True,
            )

    @classmethod
    def serve(cls, directory: Path, settings: Mapping[str, Mapping[str, Any]], *, ready: bool = True) -> Gateway:
        """Start `twinpost serve` with `settings`, by section, and wait until it is ready, or else until it serves."""
        port = free_port()
        config = directory / "twinpost.toml"
        config.write_text(tomlkit.dumps({"listen": {"port": port}, **settings}), encoding="utf-8")
        gateway = cls(["serve", "--config", str(config)], directory=directory, port=port)
        gateway._stop_unless(gateway.wait_until_ready if ready else gateway.wait_until_serving)
        return gateway

    @property
    def pid(self) -> int:
        """The process id of the supervisor."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the supervisor has not ended."""
        return self._process.poll() is None

    @property
    def address(self) -> str:
        """`host:port`, for gRPC clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, for REST clients."""
        return f"http://{self.address}"

    def log(self) -> str:
        """Return what the gateway has written so far."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self) -> None:
        """Return once the gateway can produce.

        Raises:
            TimeoutError: it could not in time, or it ended; the message has the end of its log.
        """
        self._wait_until(lambda: self.rest.send("GET", "/readyz", timeout_s=2.0).status, 200)

    def wait_until_not_ready(self) -> None:
        """Return once the gateway says that it cannot produce.

        Raises:
            TimeoutError: as `wait_until_ready`.
        """
        self._wait_until(lambda: self.rest.send("GET", "/readyz", timeout_s=2.0).status, 503)

    def wait_until_serving(self) -> None:
        """Return once a worker answers, whether or not it reaches the brokers: an empty request needs none.

        Raises:
            TimeoutError: as `wait_until_ready`.
        """
        self._wait_until(lambda: self.rest.send("POST", "/produce", body=b"[]", timeout_s=2.0).status, 200)

    def stop(self) -> int:
        """Ask the gateway to stop (SIGTERM), wait until every process of it is gone, and return its exit code.

        Raises:
            TimeoutError: it did not end in time, or left processes behind; they are killed.
        """
        try:
            family = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        left = [process for process in family if alive(process)]
        for process in left:
            process.kill()
        if left:
            msg = f"twinpost ended with {code} and left {left} behind; the log ends with:\n{self._log_tail()}"
            raise TimeoutError(msg)
        return code

    def _log_tail(self) -> str:
        return self.log()[-_LOG_TAIL_CHARACTERS:]

    def _wait_until(self, ask: Callable[[], int], status: int) -> None:
        answers: list[str] = []

        def settled() -> bool:
            try:
                answers.append(str(ask()))
            except (OSError, HTTPException) as error:
                answers.append(repr(error))
            return answers[-1] == str(status) or self._process.poll() is not None

        def told() -> str:
            return f"{status}; the last answer is {answers[-1]} and the log ends with:\n{self._log_tail()}"

        wait_for(settled, told, timeout_s=_START_TIMEOUT_S)
        if answers[-1] != str(status):
            msg = f"twinpost ended before {told()}"
            raise TimeoutError(msg)

    def _stop_unless(self, wait: Callable[[], None]) -> None:
        try:
            wait()
        except BaseException:
            self.stop()
            raise


class DevGateway(Gateway):
    """`twinpost dev`, with its embedded broker.

    Attributes:
        bootstrap_servers: the embedded broker's address.
    """

    def __init__(self, directory: Path) -> None:
        """Start it, and return once it is ready."""
        port, kafka_port = free_port(), free_port()
        self.bootstrap_servers = f"{LOOPBACK}:{kafka_port}"
        flags = ["--port", str(port), "--kafka-port", str(kafka_port)]
        super().__init__(["dev", *flags], directory=directory, port=port)
        self._stop_unless(self.wait_until_ready)
