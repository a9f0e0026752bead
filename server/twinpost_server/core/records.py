"""A record as a caller sends it."""

from __future__ import annotations

import msgspec

__all__ = ["Header", "Payload", "Record", "RecordMetadata", "payload_bytes", "record_bytes"]

Payload = str | bytes | None
"""A key, a value or a header's value: bytes as they are, text stored as its UTF-8 bytes, `None` for null.

REST hands over the text of the JSON as it was decoded and gRPC hands over bytes; librdkafka's binding takes both, so
neither pays a copy here. Text never holds a lone surrogate: the JSON decoder refuses one.
"""


class Header(msgspec.Struct, gc=False):
    """One header of a record; `value` may be null, and keys may repeat."""

    key: str
    value: Payload


class Record(msgspec.Struct, gc=False):
    """A record to be written.

    `gc=False` is safe since a record holds no cycle, and keeps ten thousand of them out of the collector's way.

    Attributes:
        value: the value; `None` is a tombstone, and is not the same as empty.
        topic: the topic's name, checked against `core.topics` by the use-case, not here.
        key: the key; `None` is no key, and is not the same as empty.
        partition: 0 or greater, or `None` to let the partitioner choose.
        timestamp: milliseconds since the Unix epoch, 1 or greater, or `None` for the time of producing.
        headers: in order, duplicates kept; `None` and `[]` both mean none.
    """

    value: Payload
    topic: str = ""
    key: Payload = None
    partition: int | None = None
    timestamp: int | None = None
    headers: list[Header] | None = None


class RecordMetadata(msgspec.Struct, gc=False, frozen=True):
    """Where a record was stored: the four fields every answer carries, in the order they are printed.

    Attributes:
        topic: the topic's name.
        partition: the partition, 0 or greater.
        offset: the offset within the partition, 0 or greater.
        timestamp: milliseconds since the Unix epoch, as stored.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int


def payload_bytes(payload: Payload) -> int:
    """Return the stored size of `payload` in bytes; null has none."""
    if payload is None:
        return 0
    if isinstance(payload, bytes) or payload.isascii():
        return len(payload)
    return len(payload.encode())


def record_bytes(record: Record) -> int:
    """Return the size of `record` in bytes: key, value and headers, as `limits.record_bytes_max` counts it."""
    size = payload_bytes(record.value) + payload_bytes(record.key)
    for header in record.headers or ():
        size += payload_bytes(header.key) + payload_bytes(header.value)
    return size
