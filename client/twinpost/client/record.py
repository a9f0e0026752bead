"""A record as a program hands it over, and the place where it was stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

__all__ = ["Header", "Payload", "Record", "RecordMetadata"]

Payload = bytes | str | None
"""A key, a value or a header's value: bytes as they are, text as its UTF-8 bytes, `None` for null."""

Header = tuple[str, Payload]
"""The name of a header, any text without a NUL character, and its value."""


@dataclass(slots=True)
class Record:
    """A record to be written to a Kafka topic; the rules of its fields are those of `twinpost/v1/record.proto`.

    It is encoded the moment it is handed over: changing it later changes nothing.

    Attributes:
        topic: the topic's name.
        value: the value; `None` is a tombstone, and is not the same as empty.
        key: the key; `None` is no key, and is not the same as empty.
        partition: 0 or greater, or `None` to have it chosen: from the key as Kafka's Java client does, else at random.
        timestamp: milliseconds since the Unix epoch, 1 or greater, or `None` for the time of producing.
        headers: in order, duplicates kept.
    """

    topic: str
    value: Payload
    _: KW_ONLY
    key: Payload = None
    partition: int | None = None
    timestamp: int | None = None
    headers: Sequence[Header] = ()


class RecordMetadata(NamedTuple):
    """Where a record is stored, on all in-sync replicas.

    Attributes:
        topic: the topic's name.
        partition: the partition, 0 or greater.
        offset: the offset within the partition, 0 or greater.
        timestamp: milliseconds since the Unix epoch, as stored.
        maybe_duplicated: whether the record was sent again after a try whose fate is unknown (`resend_unknown`), so
            that it may be stored a second time, elsewhere.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    maybe_duplicated: bool = False
