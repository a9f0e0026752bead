"""A worker process: its composition root.

`python -m twinpost_server.worker` reads one line of JSON from standard input (`settings`, `index`, `socket`), serves on
that unix socket, and tells its supervisor on standard output how it is, one JSON object a line. Standard input stays
open while the supervisor lives: another line asks for the end of streams, and its own end means that nobody is left to
serve for, and the worker drains.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import uvloop

from twinpost_server.app.produce import Produce
from twinpost_server.app.produce_stream import ProduceStream
from twinpost_server.config.broker_files import require_broker_files
from twinpost_server.config.faults import ConfigError, Fault
from twinpost_server.config.settings import Settings
from twinpost_server.core.limits import Limits
from twinpost_server.kafka.connectivity import ClusterState
from twinpost_server.kafka.sink import KafkaSink
from twinpost_server.lifecycle import Lifecycle, Phase
from twinpost_server.rpc.guard import CallGuard
from twinpost_server.rpc.health import Health
from twinpost_server.rpc.producer_service import ProducerService
from twinpost_server.rpc.reflection import Reflection
from twinpost_server.rpc.rest_json import RestDecoder
from twinpost_server.rpc.rest_service import ProducerRestService
from twinpost_server.rpc.server import open_server
from twinpost_server.security.authenticator import Authenticator, OpenDoor, open_authenticator
from twinpost_server.security.users import require_users
from twinpost_server.telemetry import log

__all__ = ["main", "serve"]

_ALIVE_INTERVAL_S: Final = 1.0

_GC_THRESHOLDS: Final = (50_000, 20, 10)
"""When the collector of cycles runs, as `gc.set_threshold` takes it. At the default of 700 new objects it runs several
times for one request of a thousand records, and each time walks what is in flight: a fifth of the time under load."""

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, socket: Path, lifecycle: Lifecycle, tell: Callable[[str], None]) -> None:
    """Serve on `socket` until `lifecycle` is asked to drain, then drain and return.

    While a file that it needs cannot be used, it waits for a better one before it serves.

    Args:
        settings: everything this process was told.
        socket: the unix socket to listen on; a stale file there is replaced.
        lifecycle: told of every phase; its `ask_streams_end` ends streams and nothing else, its `ask_drain` this call.
        tell: called with `serving`, `alive` (every second, by the loop itself, also while it waits) and `draining`.
    """
    loop = asyncio.get_running_loop()
    timeouts = settings.timeouts
    authenticator = await _with_usable_files(settings, lifecycle, tell)
    if authenticator is None:
        lifecycle.enter(Phase.STOPPED)
        return
    async with AsyncExitStack() as stack:
        health = Health()
        reflection = Reflection() if settings.grpc.reflection else None

        def on_cluster_change(state: ClusterState) -> None:
            health.set_brokers_reachable(reachable=state is ClusterState.UP)

        background = await stack.enter_async_context(asyncio.TaskGroup())
        sink = KafkaSink(settings.kafka, settings.limits, timeouts, on_cluster_change=on_cluster_change)
        stack.callback(authenticator.close)
        watching = background.create_task(authenticator.watch())

        limits = Limits(
            record_bytes_max=settings.limits.record_bytes_max,
            record_headers_max=settings.limits.record_headers_max,
            request_records_max=settings.limits.request_records_max,
            body_bytes_max=settings.limits.body_bytes_max,
        )
        guard = CallGuard(authenticator, sink.budget.check_room)
        produce = Produce(sink, limits)
        native = ProducerService(
            produce,
            partial(ProduceStream, sink, limits),
            guard,
            limits,
            request_timeout_s=timeouts.request_timeout_s,
            stream_age_max_s=timeouts.connection_age_max_s,
        )
        server = open_server(
            socket,
            native=native,
            rest=ProducerRestService(
                produce,
                guard,
                RestDecoder(limits, unknown_fields=settings.rest.unknown_fields),
                limits,
                request_timeout_s=timeouts.request_timeout_s,
            ),
            health=health,
            reflection=reflection,
            body_bytes_max=limits.body_bytes_max,
        )
        await server.start()
        health.set_routable(routable=True)
        lifecycle.enter(Phase.SERVING)
        # What was built until here lives as long as the process: the collector need not walk it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        tell("serving")
        beating = background.create_task(_beat(tell))
        background.create_task(_end_streams(lifecycle, [native, health, *([] if reflection is None else [reflection])]))
        _log.info("serving", socket=str(socket))

        await lifecycle.drain_asked()
        lifecycle.enter(Phase.DRAINING)
        tell("draining")
        give_up_at = loop.time() + timeouts.drain_grace_s + timeouts.drain_timeout_s
        health.set_routable(routable=False)
        await asyncio.sleep(timeouts.drain_grace_s)
        lifecycle.ask_streams_end()
        await server.stop(grace=timeouts.drain_timeout_s)
        given_up = await sink.close(timeout_s=max(0.0, give_up_at - loop.time()))
        beating.cancel()
        watching.cancel()
        lifecycle.enter(Phase.STOPPED)
        _log.info("stopped", requests_given_up=given_up)


async def _with_usable_files(
    settings: Settings, lifecycle: Lifecycle, tell: Callable[[str], None]
) -> Authenticator | OpenDoor | None:
    """Return what checks credentials once every file can be used, or `None` if the drain is asked for first.

    The command line has refused to start on such files; one was broken since, and this worker replaces another. To fail
    would make a crash loop of it, which ends the workers that serve with what they have read.
    """
    complaint: tuple[Fault, ...] = ()
    while True:
        try:
            require_broker_files(settings.kafka)
            if settings.auth.users_file is not None:
                # One without users, which a file that is rewritten in place is for a moment, refuses everybody.
                require_users(settings.auth.users_file)
            return open_authenticator(settings.auth, workers=settings.workers.count)
        except ConfigError as error:
            if error.faults != complaint:
                complaint = error.faults
                _log.error(
                    "a file cannot be used; this worker waits for it to be mended, and serves nobody until then",
                    faults=[str(fault) for fault in complaint],
                )
        tell("alive")
        try:
            async with asyncio.timeout(_ALIVE_INTERVAL_S):
                await lifecycle.drain_asked()
        except TimeoutError:
            continue
        return None


async def _end_streams(lifecycle: Lifecycle, servicers: Sequence[ProducerService | Health | Reflection]) -> None:
    await lifecycle.streams_end_asked()
    for servicer in servicers:
        servicer.drain()


async def _beat(tell: Callable[[str], None]) -> None:
    while True:
        tell("alive")
        await asyncio.sleep(_ALIVE_INTERVAL_S)


def main() -> None:
    """Run a worker as its supervisor starts it, and exit with 0 once drained."""
    # Unbuffered: what the supervisor writes next is for the loop to read.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as told:
        start: dict[str, Any] = msgspec.json.decode(told.readline())
    settings = Settings.model_validate(start["settings"])
    log.configure(settings.log, process=f"worker-{start['index']}")
    uvloop.run(_main(settings, Path(start["socket"])))


async def _main(settings: Settings, socket: Path) -> None:
    lifecycle = Lifecycle()
    loop = asyncio.get_running_loop()
    # A terminal's Ctrl-C is the supervisor's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, lifecycle.ask_drain)
    lifeline = loop.create_task(_hear_supervisor(lifecycle))
    await serve(settings, socket, lifecycle, _tell)
    lifeline.cancel()
    # All that counts is flushed and told. A thread may still wait within librdkafka for an answer of a cluster that is
    # away, and an orderly end of the interpreter would wait for that thread.
    os._exit(0)


async def _hear_supervisor(lifecycle: Lifecycle) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        lifecycle.ask_streams_end()
    lifecycle.ask_drain()


def _tell(event: str) -> None:
    try:
        sys.stdout.write(f'{{"event": "{event}"}}\n')
        sys.stdout.flush()
    except BrokenPipeError:
        # The supervisor is gone; the end of standard input says so too, and the drain is on its way.
        pass


if __name__ == "__main__":
    main()
