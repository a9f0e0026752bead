"""The `results` of an answer, on the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, Protocol, TypeGuard

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from twinpost.v1 import record_pb2
from twinpost_server.core.errors import Delivered, Failure, Outcome
from twinpost_server.core.records import RecordMetadata

__all__ = ["encode_results"]


class Answer(Protocol):
    """A message with `results`: ProduceResponse or ProduceStreamResponse."""

    @property
    def results(self) -> RepeatedCompositeFieldContainer[record_pb2.RecordResult]:
        """One for each record, in order."""
        ...

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the message on the wire."""
        ...


_DELIVERED: Final = {
    Delivered.NO: record_pb2.DELIVERED_NO,
    Delivered.UNKNOWN: record_pb2.DELIVERED_UNKNOWN,
    Delivered.PARTIAL: record_pb2.DELIVERED_PARTIAL,
}

_LOW_BITS: Final = 7
"""The bits of a varint that its first byte holds; the byte's highest bit says that more bytes follow
(https://protobuf.dev/programming-guides/encoding/#varints)."""

_LOW_MASK: Final = (1 << _LOW_BITS) - 1

_FIRST_BYTES: Final = tuple(bytes((1 << _LOW_BITS | low,)) for low in range(1 << _LOW_BITS))

_STORED_TOGETHER_MIN: Final = 4
"""Records to a place from which its frame is worth making: it costs as much as two or three messages."""

_place: Callable[[Outcome], tuple[str, int, int]] = attrgetter("topic", "partition", "timestamp")


def encode_results(answer: Callable[[], Answer], outcomes: Sequence[Outcome]) -> bytes:
    """Return a serialized `answer` that holds nothing but a result per outcome, in order.

    To add other fields, serialize them apart and join: messages on the wire merge when they are concatenated.
    """
    return _framed(answer, outcomes) if _stored_together(outcomes) else _serialized(answer, outcomes)


def _stored_together(outcomes: Sequence[Outcome]) -> TypeGuard[Sequence[RecordMetadata]]:
    """Return whether every record is stored, and many in each place."""
    if Failure in set(map(type, outcomes)):
        return False
    return len(set(map(_place, outcomes))) * _STORED_TOGETHER_MIN <= len(outcomes)


def _framed(answer: Callable[[], Answer], outcomes: Sequence[RecordMetadata]) -> bytes:
    """Encode records that are stored together: their results differ in the low bits of the offset only.

    Half the cost of messages. Protobuf itself makes what is around those bits.
    """
    frames: dict[tuple[str, int, int, int], tuple[bytes, bytes]] = {}
    pieces: list[bytes] = []
    for stored in outcomes:
        offset = stored.offset
        block = offset >> _LOW_BITS
        if not block:
            # Its varint is of one byte, and zero has none.
            pieces.append(_serialized(answer, (stored,)))
            continue
        place = (stored.topic, stored.partition, stored.timestamp, block)
        frame = frames.get(place)
        if frame is None:
            frame = frames[place] = _frame(answer, stored)
        pieces += (frame[0], _FIRST_BYTES[offset & _LOW_MASK], frame[1])
    return b"".join(pieces)


def _frame(answer: Callable[[], Answer], stored: RecordMetadata) -> tuple[bytes, bytes]:
    """Return what comes before and after the first byte of the offset, which fields follow in the order of numbers."""
    from_offset = record_pb2.RecordMetadata(offset=stored.offset, timestamp=stored.timestamp).SerializeToString()
    after = from_offset[2:]
    return _serialized(answer, (stored,))[: -len(after) - 1], after


def _serialized(answer: Callable[[], Answer], outcomes: Sequence[Outcome]) -> bytes:
    message = answer()
    # Filled in place: a message that is built first and then put into another costs four times as much.
    add = message.results.add
    for outcome in outcomes:
        result = add()
        if isinstance(outcome, Failure):
            error = result.error
            error.reason = record_pb2.ErrorReason.Value(f"ERROR_REASON_{outcome.reason}")
            error.message = outcome.message
            error.retriable = outcome.retriable
            error.delivered = _DELIVERED[outcome.delivered]
        else:
            metadata = result.metadata
            metadata.topic = outcome.topic
            metadata.partition = outcome.partition
            metadata.offset = outcome.offset
            metadata.timestamp = outcome.timestamp
    return message.SerializeToString()
