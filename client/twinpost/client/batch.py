"""A batch: records of one lane that travel together, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

from twinpost.client.codec import record_bytes_max
from twinpost.client.errors import RecordError
from twinpost.client.lane import Lane
from twinpost.v1 import producer_service_pb2

__all__ = ["ENVELOPE_BYTES_MAX", "RECORD_HELD_BYTES", "Batch", "Promise"]

Promise = TypeVar("Promise")
"""What a record's outcome is told to; the batch only carries it."""

ENVELOPE_BYTES_MAX: Final = 16
"""What a step takes on the wire at most, beside its records: its sequence."""

RECORD_HELD_BYTES: Final = 400
"""What a record takes in memory beside its bytes on the wire: future, message, metadata (measured, and some more)."""


class Batch(Generic[Promise]):
    """Records in the order published. Several lists side by side, since an object for each record would cost more.

    Attributes:
        lane: where it belongs.
        mark: which flush it belongs to.
        opened_at: when its first record came.
        request: the records, encoded.
        promises: one for each record.
        deadlines: when each record is given up, ascending.
        told: how many of the first promises are settled already, since their time was over while they were on the wire.
        wire_bytes: what it takes on the wire at most, as a step of its own.
        alone: whether it must be a step of its own, to find out which record is at fault.
        sent: whether it is on the wire.
        refusal: the last error of its records, if they were tried before.
    """

    __slots__ = (
        "_in_doubt",
        "alone",
        "deadlines",
        "lane",
        "mark",
        "opened_at",
        "promises",
        "refusal",
        "request",
        "sent",
        "told",
        "wire_bytes",
    )

    def __init__(self, lane: Lane[Batch[Promise]], mark: int, opened_at: float) -> None:
        """Begin with no record."""
        self.lane = lane
        self.mark = mark
        self.opened_at = opened_at
        # A new message each time, even for a few records: clearing one would not give its memory back.
        self.request = producer_service_pb2.ProduceStreamRequest()
        self.promises: list[Promise] = []
        self.deadlines: list[float] = []
        self.told = 0
        self.wire_bytes = ENVELOPE_BYTES_MAX
        self.alone = False
        self.sent = False
        self.refusal: RecordError | None = None
        self._in_doubt: frozenset[int] = frozenset()

    @property
    def held_bytes(self) -> int:
        """What it counts for in the buffer."""
        return self.wire_bytes - ENVELOPE_BYTES_MAX + len(self.promises) * RECORD_HELD_BYTES

    @property
    def any_in_doubt(self) -> bool:
        """Whether an earlier try may have stored any of its records."""
        return bool(self._in_doubt)

    def in_doubt(self, index: int) -> bool:
        """Return whether an earlier try may have stored the record at `index`."""
        return index in self._in_doubt

    def doubt(self, indexes: Iterable[int]) -> None:
        """Note that the records at `indexes` may be stored, and are sent again all the same."""
        self._in_doubt = self._in_doubt.union(indexes)

    def drop_unfinished(self) -> None:
        """Take out the record that could not be added in full, and has no promise yet."""
        del self.request.records[len(self.promises) :]

    def empty(self) -> None:
        """Let go of the records: whoever still waits for their time may hold the batch for long yet."""
        self.promises = []
        self.deadlines = []
        self.told = 0
        self.request = _NOTHING

    def part(self, indexes: Sequence[int]) -> Batch[Promise]:
        """Return a batch of only the records at `indexes`, ascending."""
        part = Batch(self.lane, self.mark, self.opened_at)
        records = self.request.records
        for index in indexes:
            part.request.records.append(records[index])
            part.promises.append(self.promises[index])
            part.deadlines.append(self.deadlines[index])
            part.wire_bytes += record_bytes_max(records[index])
        part.doubt(position for position, index in enumerate(indexes) if index in self._in_doubt)
        part.alone = self.alone
        part.refusal = self.refusal
        return part


_NOTHING: Final = producer_service_pb2.ProduceStreamRequest()
