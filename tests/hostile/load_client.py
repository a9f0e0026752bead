"""Load in two ways: as fast as answers come, and, in an open loop, as fast as it is due whatever comes."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from tests.brokers.ports import LOOPBACK

__all__ = ["Answer", "LoadClient", "Request", "percentile"]

_ANSWER_TIMEOUT_S = 30.0


class Answer(NamedTuple):
    """What one request was told.

    Attributes:
        status: the HTTP status.
        retry_after: the Retry-After header, if any.
        took_s: from when it was due to the last byte.
    """

    status: int
    retry_after: str | None
    took_s: float


@dataclass(frozen=True, slots=True)
class Request:
    """A kind of request.

    Attributes:
        data: its bytes.
        rate_per_s: how many are due each second.
    """

    data: bytes
    rate_per_s: float


class LoadClient:
    """Sends over as many kept connections as there are requests at once. Lives on one event loop."""

    def __init__(self, port: int) -> None:
        """Send to `port` of this machine."""
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def saturate(self, data: bytes, callers: int, seconds: float) -> list[Answer]:
        """Have `callers` send `data` again and again for `seconds`, each once its last request is answered.

        Raises:
            TimeoutError, OSError: as `offer`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds

        async def call() -> list[Answer]:
            answers = []
            while loop.time() < until:
                answers.append(await self._send(data, loop.time()))
            return answers

        return list(chain.from_iterable(await asyncio.gather(*(call() for _ in range(callers)))))

    async def offer(
        self, requests: Sequence[Request], seconds: float, *, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> list[list[Answer]]:
        """Send `requests` for `seconds`, each when it is due, and return the answers of each kind, once all are there.

        `meanwhile` runs beside them, and is cancelled at the end.

        Raises:
            TimeoutError: a request was not answered.
            OSError: a connection was refused or lost.
        """
        watching = None if meanwhile is None else asyncio.ensure_future(meanwhile())
        try:
            return await asyncio.gather(*(self._offer(request, seconds) for request in requests))
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.transport.abort()

    async def _offer(self, request: Request, seconds: float) -> list[Answer]:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        pending = []
        for number in range(int(seconds * request.rate_per_s)):
            due_at = began_at + number / request.rate_per_s
            await asyncio.sleep(max(0.0, due_at - loop.time()))
            pending.append(asyncio.create_task(self._send(request.data, due_at)))
        return await asyncio.gather(*pending)

    async def _send(self, data: bytes, due_at: float) -> Answer:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            connection = self._idle.pop() if self._idle else await asyncio.open_connection(LOOPBACK, self._port)
            reader, writer = connection
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            await reader.readexactly(int(headers["content-length"]))
            took_s = asyncio.get_running_loop().time() - due_at
        if headers.get("connection") == "close":
            writer.transport.abort()
        else:
            self._idle.append(connection)
        return Answer(int(head[0].split()[1]), headers.get("retry-after"), took_s)


def percentile(answers: Sequence[Answer], percent: int) -> float:
    """Return the time, in seconds, within which `percent` of 100 `answers` came."""
    return statistics.quantiles([answer.took_s for answer in answers], n=100, method="inclusive")[percent - 1]
