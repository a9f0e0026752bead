"""A lane: records that must stay in order, and so travel one step at a time.

What keeps the order is that nothing of a lane is on the wire twice at once: a refused record is tried again before
anything behind it has been sent. Many keys share a lane, so that a publisher needs a few for each topic, however many
keys there are. Records with neither a key nor a partition have no order to keep; their lane may have several steps on
the wire.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from twinpost.client.codec import FIXED_BYTES_MAX, check_text
from twinpost.v1 import record_pb2

__all__ = ["Lane", "Queued", "TopicLanes", "order_of"]

_ORDERED_LANES: Final = 8
"""How many steps of one topic's keyed records may be on the wire at once."""

_UNORDERED_STEPS_MAX: Final = 8
"""The same for records without an order."""


class Queued(Protocol):
    """What a lane needs to know of a batch.

    Attributes:
        opened_at: when its first record came.
    """

    opened_at: float


Item = TypeVar("Item", bound=Queued)


class Lane(Generic[Item]):
    """The batches of one lane that are not on the wire.

    Attributes:
        topic: whose lane it is.
        queue: the batches, oldest first.
        open: the one that takes records, which is the last of the queue, if any does.
        on_wire: how many of its batches are on the wire.
        not_before: when the next one may be sent.
        failures: how often in a row something of it had to be tried again.
        scheduled_at: when the outbox will look at it next; infinite where it will not.
    """

    __slots__ = ("_on_wire_max", "failures", "not_before", "on_wire", "open", "queue", "scheduled_at", "topic")

    def __init__(self, topic: TopicLanes[Item], on_wire_max: int) -> None:
        """Have at most `on_wire_max` batches on the wire at once."""
        self._on_wire_max = on_wire_max
        self.topic = topic
        self.queue: deque[Item] = deque()
        self.open: Item | None = None
        self.on_wire = 0
        self.not_before = -math.inf
        self.failures = 0
        self.scheduled_at = math.inf

    def due_at(self, linger_s: float) -> float:
        """Return when the first batch may be sent; infinite while there is none, or while it must wait for an answer.

        A batch that is still open waits for more records: for `linger_s`, and while another one is on the wire.
        """
        if not self.queue or self.on_wire >= self._on_wire_max:
            return math.inf
        first = self.queue[0]
        if first is not self.open:
            return max(first.opened_at, self.not_before)
        return math.inf if self.on_wire else max(first.opened_at + linger_s, self.not_before)


class TopicLanes(Generic[Item]):
    """The lanes of one topic.

    A step holds records of one topic only: what is wrong with one topic then refuses nothing of another.

    Attributes:
        name: the topic's.
        record_bytes_min: what a record takes on the wire at most, if nothing is in it but the topic.
        lanes: all of them.
        batches: how many of its batches are not settled.
    """

    __slots__ = ("_unordered", "batches", "lanes", "name", "record_bytes_min")

    def __init__(self, name: str) -> None:
        """Begin with no record.

        Raises:
            TypeError: the name is no text.
            UnicodeEncodeError: it has a lone surrogate, which has no UTF-8.
        """
        check_text("topic", name)
        self.name = name
        self.record_bytes_min = FIXED_BYTES_MAX + len(name.encode())
        self.batches = 0
        self._unordered: Lane[Item] = Lane(self, _UNORDERED_STEPS_MAX)
        ordered: list[Lane[Item]] = [Lane(self, 1) for _ in range(_ORDERED_LANES)]
        self.lanes: Sequence[Lane[Item]] = (*ordered, self._unordered)

    def lane(self, partition: int | None, key: bytes | None) -> Lane[Item]:
        """Return the lane of a record: by its partition where it names one, else by its key."""
        if partition is None:
            return self._unordered if key is None else self.lanes[hash(key) % _ORDERED_LANES]
        return self.lanes[partition % _ORDERED_LANES]


def order_of(record: record_pb2.Record) -> Hashable:
    """Return what `record` keeps its order with, among records of its topic; `None` where there is no order to keep."""
    if record.HasField("partition"):
        return record.partition
    return record.key if record.HasField("key") else None
