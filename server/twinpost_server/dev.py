"""A gateway to try out, with a broker and a user of its own: `twinpost dev`."""

from __future__ import annotations

import asyncio
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from twinpost_server.config.settings import LogSettings, Settings
from twinpost_server.config.sources import load
from twinpost_server.console import show_started
from twinpost_server.embedded_broker import EmbeddedBroker
from twinpost_server.security.passwords import hash_password
from twinpost_server.security.users_editor import put_user
from twinpost_server.supervisor.announcement import address
from twinpost_server.supervisor.inbox import Inbox, Stop
from twinpost_server.supervisor.listening_port import require_free_port
from twinpost_server.supervisor.run import exit_code
from twinpost_server.supervisor.run_directory import RunDirectory
from twinpost_server.supervisor.supervisor import Companion, Supervisor
from twinpost_server.telemetry import log

__all__ = ["PARTITIONS", "PASSWORD", "TOPICS", "USER", "run"]

USER: Final = "myuser"
PASSWORD: Final = "mypass"  # noqa: S105 - it is printed on every start
TOPICS: Final = ("greetings", "cities")
PARTITIONS: Final = 4

_LOOPBACK: Final = "127.0.0.1"

_DRAIN_TIMEOUT_S: Final = 1.0
"""It counts once for Envoy and once for the workers; with every margin the stop stays under five seconds."""


@dataclass(frozen=True, slots=True)
class _Options:
    host: str
    port: int
    kafka: str | None
    kafka_port: int
    workers: int
    log_level: str


def run(*, host: str, port: int, kafka: str | None, kafka_port: int, workers: int, log_level: str) -> int:
    """Run a gateway for the user `myuser`, who may write every topic, until Ctrl-C.

    Call from the main thread.

    Args:
        host: address of the public port.
        port: the public port.
        kafka: the cluster to use, as `host:port`; `None` starts an embedded broker with the topics `greetings` and
            `cities`, whose records are gone when this ends.
        kafka_port: the embedded broker's port on loopback; 0 takes a free one.
        workers: worker processes.
        log_level: least severe log lines written, as in `log.level`; `debug` shows every request.

    Returns:
        0 after a stop that was asked for, 1 where it could not start or could not go on; standard error says why.

    Raises:
        ConfigError: `host` or `kafka` is nothing that a gateway can use.
    """
    log.configure(LogSettings.model_validate({"level": log_level}), process="supervisor")
    return exit_code(_dev(_Options(host, port, kafka, kafka_port, workers, log_level)))


async def _dev(options: _Options) -> None:
    inbox = Inbox()
    with (
        # A closed terminal ends what was started in it; nobody would ever find it again.
        inbox.hearing_signals(hangup=Stop(signal.SIGHUP)),
        RunDirectory.held(None, worker_slots=options.workers + 1) as directory,
    ):
        broker = _broker(options.kafka_port) if options.kafka is None else None
        await asyncio.to_thread(_add_user, directory.users_file)
        bootstrap_servers = broker.address if broker else str(options.kafka)
        settings = await asyncio.to_thread(_settings, options, bootstrap_servers, directory.users_file)
        require_free_port(options.host, options.port, setting="--port")
        supervisor = Supervisor(settings, directory, inbox, companion=_companion(broker) if broker else None)
        await supervisor.run(lambda: _announce(settings, embedded=broker is not None))


def _broker(port: int) -> EmbeddedBroker:
    if port == 0:
        with socket.create_server((_LOOPBACK, 0)) as free:
            port = free.getsockname()[1]
    broker = EmbeddedBroker(port, TOPICS, partitions=PARTITIONS)
    require_free_port(_LOOPBACK, port, setting="--kafka-port")
    return broker


def _companion(broker: EmbeddedBroker) -> Companion:
    if_lost = "its records were in memory and are gone; start `twinpost dev` again"
    return Companion("embedded broker", broker.start, if_lost)


def _add_user(users_file: Path) -> None:
    put_user(users_file, USER, password_hash=hash_password(PASSWORD), topics=("*",))


def _settings(options: _Options, bootstrap_servers: str, users_file: Path) -> Settings:
    # Read as those of `serve` are, so that a fault names the flag; what has no flag stands in for the environment.
    without_flag = {
        # No balancer has to see it leave.
        "TWINPOST_TIMEOUTS__DRAIN_GRACE_S": "0",
        "TWINPOST_TIMEOUTS__DRAIN_TIMEOUT_S": str(_DRAIN_TIMEOUT_S),
        "TWINPOST_ENVOY__ACCESS_LOG": "all" if options.log_level == "debug" else "none",
    }
    flags = {
        "--host": options.host,
        "--port": options.port,
        "--kafka": bootstrap_servers,
        "--users-file": users_file,
        "--workers": options.workers,
        "--log-level": options.log_level,
    }
    return load(None, without_flag, flags)


def _announce(settings: Settings, *, embedded: bool) -> None:
    where = address(settings.listen)
    brokers = settings.kafka.bootstrap_servers
    show_started(
        Console(),
        address=f"http://{where}",
        grpc_address=where,
        kafka=f"{brokers}, embedded: in memory, with the topics {' and '.join(TOPICS)}" if embedded else brokers,
        workers=settings.workers.count,
        user=f"{USER}, password {PASSWORD}, may write every topic",
        example=f"curl http://{where}/produce/{TOPICS[0]}/hello_kafka -u {USER}:{PASSWORD}",
    )
