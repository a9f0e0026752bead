"""A record sink in memory, for tests of what stands in front of a sink."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final

from tests.brokers.ledger import StoredRecord
from tests.contract.murmur2 import java_partition
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.ports import PendingWrite
from twinpost_server.core.records import Payload, Record, RecordMetadata

__all__ = ["FakeSink"]

_UNKNOWN: Final = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message="the deadline passed before the acknowledgement came",
    delivered=Delivered.UNKNOWN,
)


_FULL: Final = Failure(reason=Reason.OVERLOADED, message="the fake sink is full")


class _Delivery:
    """Implements `core.ports.PendingWrite`: the records of one call, and what became of them once it is known."""

    def __init__(self, records: Sequence[Record], deadline: float) -> None:
        self.records = tuple(records)
        self.told: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._deadline = deadline

    async def outcomes(self) -> list[Outcome]:
        # Unlike awaiting the future, this leaves it be where the caller is cancelled.
        await asyncio.wait({self.told}, timeout=max(0.0, self._deadline - asyncio.get_running_loop().time()))
        return self.told.result() if self.told.done() else [_UNKNOWN] * len(self.records)


class _Stream:
    """Implements `core.ports.RecordStream`."""

    def __init__(self, sink: FakeSink) -> None:
        self._sink = sink

    async def enqueue(self, batch: RecordBatch, *, deadline: float) -> PendingWrite:
        return await self._sink.handed_over_in_turn(batch, deadline)


class FakeSink:
    """Implements `core.ports.RecordSink` on lists; it passes the contract suite beside it.

    Attributes:
        records: what is stored, in the order it was written.
    """

    def __init__(self, topics: Mapping[str, int], *, in_flight_records_max: int = 200_000) -> None:
        """Know the `topics`, by partition count, and hold at most `in_flight_records_max` records unacknowledged."""
        self._topics = topics
        self._in_flight_records_max = in_flight_records_max
        self._in_flight = 0
        self._held: list[_Delivery] | None = None
        self._room_came_free = asyncio.Event()
        self._round_robin = count()
        self._ends: Counter[tuple[str, int]] = Counter()
        self.records: list[StoredRecord] = []

    async def write(self, batch: RecordBatch, *, deadline: float) -> list[Outcome]:
        """Store the records of `batch`; the contract is `core.ports.RecordSink.write`'s."""
        self._check(batch, deadline)
        if not self._fits(batch):
            raise RequestFailed(_FULL)
        return await self._handed_over(batch, deadline).outcomes()

    def open_stream(self) -> _Stream:
        """Return a stream; the contract is `core.ports.RecordSink.open_stream`'s."""
        return _Stream(self)

    async def handed_over_in_turn(self, batch: RecordBatch, deadline: float) -> _Delivery:
        """Store the records of `batch` once there is room for them."""
        self._check(batch, deadline)
        try:
            async with asyncio.timeout_at(deadline):
                while not self._fits(batch):
                    self._room_came_free.clear()
                    await self._room_came_free.wait()
        except TimeoutError:
            raise RequestFailed(_FULL) from None
        return self._handed_over(batch, deadline)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Acknowledge nothing inside the block; what was written in it is stored at its end."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for delivery in held:
                self._store(delivery)

    def _check(self, batch: RecordBatch, deadline: float) -> None:
        if deadline - asyncio.get_running_loop().time() < 0.002:
            raise RequestFailed(Failure(reason=Reason.DEADLINE_EXCEEDED, message="no time left"))
        for record in batch.records:
            partitions = self._topics.get(record.topic)
            if partitions is None:
                raise RequestFailed(Failure(reason=Reason.TOPIC_NOT_FOUND, message=f"no topic {record.topic}"))
            if record.partition is not None and record.partition >= partitions:
                message = f"no partition {record.partition}"
                raise RequestFailed(Failure(reason=Reason.PARTITION_OUT_OF_RANGE, message=message))

    def _fits(self, batch: RecordBatch) -> bool:
        return self._in_flight + len(batch.records) <= self._in_flight_records_max

    def _handed_over(self, batch: RecordBatch, deadline: float) -> _Delivery:
        delivery = _Delivery(batch.records, deadline)
        self._in_flight += len(delivery.records)
        if self._held is None:
            self._store(delivery)
        else:
            self._held.append(delivery)
        return delivery

    def _store(self, delivery: _Delivery) -> None:
        delivery.told.set_result([self._stored(record) for record in delivery.records])
        self._in_flight -= len(delivery.records)
        self._room_came_free.set()

    def _stored(self, record: Record) -> RecordMetadata:
        key = _bytes(record.key)
        partitions = self._topics[record.topic]
        if record.partition is not None:
            partition = record.partition
        elif key is not None:
            partition = java_partition(key, partitions)
        else:
            partition = next(self._round_robin) % partitions
        stored = StoredRecord(
            topic=record.topic,
            partition=partition,
            offset=self._ends[record.topic, partition],
            key=key,
            value=_bytes(record.value),
            headers=tuple((header.key, _bytes(header.value)) for header in record.headers or ()),
            timestamp=time.time_ns() // 1_000_000 if record.timestamp is None else record.timestamp,
            log_append_time=False,
        )
        self.records.append(stored)
        self._ends[record.topic, partition] += 1
        return RecordMetadata(stored.topic, stored.partition, stored.offset, stored.timestamp)


def _bytes(payload: Payload) -> bytes | None:
    return payload.encode() if isinstance(payload, str) else payload
