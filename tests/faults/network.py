"""The network between the gateway and the brokers: a TCP proxy for each broker, to be broken and healed.

One thread runs every proxy; the methods may be called from any other. It knows where Kafka's requests and answers end,
so that what it delays, holds or falsifies is always a whole answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.brokers.ports import LOOPBACK
from tests.faults.produce_answer import PRODUCE, with_error

__all__ = ["Link", "Network"]

_CALL_TIMEOUT_S = 10.0
_LENGTH = struct.Struct(">i")
_REQUEST_HEAD = struct.Struct(">hhi")
_T = TypeVar("_T")


class Network:
    """The thread and the event loop that links run on."""

    def __init__(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self._links: list[Link] = []

    def link(self, target_port: int) -> Link:
        """Return a new link to `target_port` on this machine."""
        link = Link(target_port, self._call)
        self._links.append(link)
        return link

    def close(self) -> None:
        """End every link and the thread."""
        for link in self._links:
            link.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_TIMEOUT_S)


class Link:
    """A port that leads to a broker.

    Attributes:
        port: the port to connect to.
        falsified: how many Produce answers were falsified so far.
        errors: what went wrong in the link itself; a test that leaves something here has proven nothing.
    """

    def __init__(self, target_port: int, call: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Open the port; `call` runs a coroutine on the network's loop and waits for it."""
        self._target_port = target_port
        self._call = call
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._delay_s = 0.0
        self._falsify: list[int] = []
        self.falsified = 0
        self.errors: list[Exception] = []
        self.port = 0
        call(self._open())

    def delay(self, seconds: float) -> None:
        """Have every answer arrive `seconds` later from now on."""

        async def change() -> None:
            self._delay_s = seconds

        self._call(change())

    def hold(self) -> None:
        """Keep back the answers on every connection, new ones too; requests still go through."""

        async def change() -> None:
            self._flowing.clear()

        self._call(change())

    def release(self) -> None:
        """Let go of what `hold` kept back."""

        async def change() -> None:
            self._flowing.set()

        self._call(change())

    def forget_connections(self) -> None:
        """Make the present connections half-open: what is sent on them vanishes, and nobody is told. New ones work."""

        async def change() -> None:
            for connection in self._connections:
                connection.half_open = True

        self._call(change())

    def reset(self) -> None:
        """Cut every connection (RST), with all that is under way on it."""

        async def change() -> None:
            for connection in self._connections:
                connection.cut()

        self._call(change())

    def falsify(self, error: int, *, answers: int = 1) -> None:
        """Replace the error codes of the next `answers` Produce answers by `error`."""

        async def change() -> None:
            self._falsify = [error] * answers

        self._call(change())

    def heal(self) -> None:
        """Undo every fault; half-open connections are cut."""

        async def change() -> None:
            self._delay_s = 0.0
            self._falsify = []
            self._flowing.set()
            for connection in self._connections:
                if connection.half_open:
                    connection.cut()

        self._call(change())

    def close(self) -> None:
        """Close the port and cut every connection."""

        async def change() -> None:
            self._server.close()
            await asyncio.sleep(0)  # What was accepted just before gets its task.
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)  # What was aborted is closed.

        self._call(change())

    async def _open(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            broker_reader, broker_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        except (OSError, asyncio.CancelledError):
            # A port where nobody listens refuses; the nearest thing to that is to hang up at once.
            writer.transport.abort()
            self._tasks.discard(task)
            return
        connection = _Connection(reader, writer, broker_reader, broker_writer)
        self._connections.add(connection)
        try:
            await self._carry(connection)
        finally:
            connection.cut()
            self._connections.discard(connection)
            self._tasks.discard(task)

    async def _carry(self, connection: _Connection) -> None:
        """Carry requests and answers until either side hangs up."""
        ways = [
            asyncio.create_task(way)
            for way in (
                self._carry_requests(connection),
                self._take_answers(connection),
                self._deliver_answers(connection),
            )
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for ended in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(ended, Exception):
                    self.errors.append(ended)

    async def _carry_requests(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await _frame(connection.client_reader)
                if connection.half_open:
                    continue
                api, version, correlation_id = _REQUEST_HEAD.unpack_from(request)
                if api == PRODUCE:
                    connection.produce_versions[correlation_id] = version
                await _send(connection.broker_writer, request)

    async def _take_answers(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                answer = await _frame(connection.broker_reader)
                connection.answers.put_nowait((loop.time() + self._delay_s, answer))

    async def _deliver_answers(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                due, answer = await connection.answers.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._flowing.wait()
                if connection.half_open:
                    continue
                version = connection.produce_versions.pop(_LENGTH.unpack_from(answer)[0], None)
                if version is not None and self._falsify:
                    answer = with_error(answer, version, self._falsify.pop())
                    self.falsified += 1
                await _send(connection.client_writer, answer)


class _Connection:
    """One connection of the gateway's, and the one to the broker that continues it."""

    def __init__(
        self,
        client_reader: asyncio.StreamReader,
        client_writer: asyncio.StreamWriter,
        broker_reader: asyncio.StreamReader,
        broker_writer: asyncio.StreamWriter,
    ) -> None:
        self.client_reader = client_reader
        self.client_writer = client_writer
        self.broker_reader = broker_reader
        self.broker_writer = broker_writer
        self.answers: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self.produce_versions: dict[int, int] = {}
        self.half_open = False

    def cut(self) -> None:
        for writer in (self.client_writer, self.broker_writer):
            writer.transport.abort()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return await reader.readexactly(length)


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(_LENGTH.pack(len(frame)) + frame)
    await writer.drain()
