"""A client for asyncio: one call for each request."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Self

import grpc
from grpc import aio

from twinpost.client.codec import NOTHING, PRODUCE, Outcome, decode_response, encode_request
from twinpost.client.connection import CALL_S_MAX, TIMEOUT_S, Tls, aio_channel, credentials
from twinpost.client.deadline import deadline_after
from twinpost.client.errors import Delivered, RecordError
from twinpost.client.record import Record, RecordMetadata
from twinpost.client.retry import RETRY, RetryPolicy, Tries
from twinpost.client.status import call_error, channel_closed, cut_off, no_time_left

__all__ = ["AsyncClient"]


class AsyncClient:
    """What `Client` is, for asyncio. Lives on one loop; use it as a context."""

    def __init__(
        self,
        target: str | aio.Channel,
        *,
        user: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        retry: RetryPolicy | None = RETRY,
    ) -> None:
        """Call the gateway at `target`, as `Client` does. Must run on a running loop."""
        self._loop = asyncio.get_running_loop()
        self._metadata = credentials(user, password)
        opened = aio_channel(target, tls) if isinstance(target, str) else target
        self._own_channel = opened if isinstance(target, str) else None
        self._produce: aio.UnaryUnaryMultiCallable[bytes, bytes] = opened.unary_unary(PRODUCE)
        self._retry = retry
        self._greeted = False

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        if self._own_channel is not None:
            await self._own_channel.close()

    async def produce(self, record: Record, *, timeout_s: float = TIMEOUT_S) -> RecordMetadata:
        """Write `record` and return where it is stored; the contract is `Client.produce`'s."""
        [outcome] = await self.produce_many((record,), timeout_s=timeout_s)
        if isinstance(outcome, RecordError):
            raise outcome
        return outcome

    async def produce_many(self, records: Iterable[Record], *, timeout_s: float = TIMEOUT_S) -> list[Outcome]:
        """Write `records` in one request; the contract is `Client.produce_many`'s. Cancelling recalls nothing."""
        data, count = encode_request(records)
        deadline = deadline_after(timeout_s, self._loop.time())
        tries = Tries(self._retry, deadline, random.random)
        while True:
            try:
                return decode_response(await self._answer(data, deadline), count)
            except RecordError as error:
                delay_s = tries.next_after_s(error, self._loop.time())
                if delay_s is None:
                    return [error] * count
            await asyncio.sleep(delay_s)

    async def _answer(self, data: bytes, deadline: float) -> bytes:
        if not self._greeted:
            # As `Client` does, and for the same reason.
            try:
                await self._call(NOTHING, deadline)
            except RecordError as error:
                raise error.of_unsent() from error.__cause__
            self._greeted = True
        try:
            return await self._call(data, deadline)
        except RecordError as error:
            # What the gateway refuses it has answered; else the connection may be gone.
            self._greeted = error.delivered is Delivered.NO
            raise

    async def _call(self, data: bytes, deadline: float) -> bytes:
        left_s = deadline - self._loop.time()
        if left_s <= 0:
            raise no_time_left()
        try:
            return await self._produce(data, timeout=min(left_s, CALL_S_MAX), metadata=self._metadata)
        except grpc.RpcError as failed:
            raise call_error(failed) from failed
        except aio.UsageError:
            raise channel_closed() from None
        except asyncio.CancelledError:
            if _was_cancelled():
                raise
            raise cut_off() from None


def _was_cancelled() -> bool:
    """Return whether somebody cancelled this task; else its CancelledError is how grpc tells of a closed channel."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
