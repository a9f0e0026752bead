"""A model of a gateway, with a log to look into: what becomes of a step is decided record by record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from twinpost.client.errors import Delivered, RecordError
from twinpost.v1 import producer_service_pb2, record_pb2

__all__ = ["Fate", "LogEntry", "ModelGateway", "refusal", "stored"]


class Fate(Enum):
    """What the gateway makes of a record."""

    STORED = "stored"
    REFUSED_NOW = "refused now"
    """Not stored, and may be later: retriable, `no`."""
    REFUSED = "refused"
    """Not stored, for good: `no`."""
    STORED_UNTOLD = "stored untold"
    """Stored, and answered with `unknown`."""
    LOST_UNTOLD = "lost untold"
    """Not stored, and answered with `unknown`."""


class LogEntry(NamedTuple):
    """A record in the log; its offset is its place in it."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes


def stored(offset: int) -> record_pb2.RecordResult:
    """Return the result of a record that is stored."""
    return record_pb2.RecordResult(
        metadata=record_pb2.RecordMetadata(topic="ignored", partition=0, offset=offset, timestamp=1)
    )


def refusal(
    reason: str = "NOT_ENOUGH_REPLICAS", *, retriable: bool = True, delivered: str = "NO"
) -> record_pb2.RecordResult:
    """Return the result of a record that is not acknowledged."""
    return record_pb2.RecordResult(
        error=record_pb2.RecordError(
            reason=record_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}"),
            message="said the model",
            retriable=retriable,
            delivered=record_pb2.Delivered.Value(f"DELIVERED_{delivered}"),
        )
    )


_ANSWERS = {
    Fate.REFUSED_NOW: refusal(),
    Fate.REFUSED: refusal("BROKER_REFUSED", retriable=False),
    Fate.STORED_UNTOLD: refusal("DEADLINE_EXCEEDED", delivered="UNKNOWN"),
    Fate.LOST_UNTOLD: refusal("DEADLINE_EXCEEDED", delivered="UNKNOWN"),
}


class ModelGateway:
    """One stream after another, and one log.

    Attributes:
        log: every record stored, in order.
        steps: what came and is not handled yet, oldest first.
        sizes: of each step that came: its bytes and its records.
    """

    def __init__(self) -> None:
        """Begin with an empty log."""
        self.log: list[LogEntry] = []
        self.steps: deque[producer_service_pb2.ProduceStreamRequest] = deque()
        self.sizes: list[tuple[int, int]] = []

    def take(self, data: bytes) -> None:
        """Take a step."""
        step = producer_service_pb2.ProduceStreamRequest.FromString(data)
        self.sizes.append((len(data), len(step.records)))
        self.steps.append(step)

    def answer(self, fates: Callable[[], Fate]) -> bytes:
        """Handle the oldest step, each record by its fate, and return the answer."""
        step = self.steps.popleft()
        return _answer(step, [self._result(record, fates()) for record in step.records])

    def refuse(self, is_bad: Callable[[record_pb2.Record], bool], reason: str) -> bytes | None:
        """Refuse the oldest step whole if it has a bad record; else leave it where it is."""
        if not any(map(is_bad, self.steps[0].records)):
            return None
        step = self.steps.popleft()
        return _answer(step, [refusal(reason, retriable=False)] * len(step.records))

    def break_off(self, *, handled: int) -> RecordError:
        """Lose every step, `handled` of them only after they are stored, and return how the stream ended."""
        for _ in range(min(handled, len(self.steps))):
            self.answer(lambda: Fate.STORED)
        self.steps.clear()
        return RecordError("GATEWAY_UNAVAILABLE", "broken", retriable=True, delivered=Delivered.UNKNOWN)

    def drain(self) -> RecordError:
        """End the stream as a stopping gateway does: what is not answered was not stored."""
        self.steps.clear()
        return RecordError("SHUTTING_DOWN", "stopping", retriable=True, retry_delay_s=1.0)

    def _result(self, record: record_pb2.Record, fate: Fate) -> record_pb2.RecordResult:
        if fate in {Fate.STORED, Fate.STORED_UNTOLD}:
            partition = record.partition if record.HasField("partition") else None
            key = record.key if record.HasField("key") else None
            self.log.append(LogEntry(record.topic, partition, key, record.value))
        return stored(len(self.log) - 1) if fate is Fate.STORED else _ANSWERS[fate]


def _answer(step: producer_service_pb2.ProduceStreamRequest, results: Sequence[record_pb2.RecordResult]) -> bytes:
    return producer_service_pb2.ProduceStreamResponse(sequence=step.sequence, results=results).SerializeToString()
