"""Kafka's answer to a Produce request, as far as a test wants to falsify it."""

from __future__ import annotations

import struct

__all__ = ["PRODUCE", "with_error"]

PRODUCE = 0
"""The api key of Produce."""

_FIRST_FLEXIBLE_VERSION = 9
_FIRST_VERSION_WITH_TOPIC_IDS = 13
_TOPIC_ID_BYTES = 16
_ERROR = struct.Struct(">h")
_PARTITION_BYTES = 4
_OFFSETS_BYTES = 24
"""base_offset, log_append_time_ms and log_start_offset."""


def with_error(answer: bytes, version: int, error: int) -> bytes:
    """Return `answer` with the error code `error` for every partition.

    Args:
        answer: a ProduceResponse of `version` with its header, without the length before it.
        version: 9 or later, which have the 'flexible' encoding (Kafka's protocol guide, 'ProduceResponse').
        error: Kafka's code.
    """
    assert version >= _FIRST_FLEXIBLE_VERSION, f"Produce version {version} is older than this reader"
    reader = _Reader(answer)
    reader.skip(4)  # correlation id
    reader.skip_tags()
    for _ in range(reader.length()):
        if version >= _FIRST_VERSION_WITH_TOPIC_IDS:
            reader.skip(_TOPIC_ID_BYTES)
        else:
            reader.skip(reader.length())
        for _ in range(reader.length()):
            reader.skip(_PARTITION_BYTES)
            reader.replace(_ERROR.pack(error))
            reader.skip(_OFFSETS_BYTES)
            for _ in range(reader.length()):
                reader.skip(4)
                reader.skip(reader.length())
                reader.skip_tags()
            reader.skip(reader.length())
            reader.skip_tags()
        reader.skip_tags()
    return bytes(reader.data)


class _Reader:
    """Walks the compact encoding."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._at = 0

    def skip(self, count: int) -> None:
        self._at += count

    def replace(self, value: bytes) -> None:
        self.data[self._at : self._at + len(value)] = value
        self._at += len(value)

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def length(self) -> int:
        """Return the length of a compact array or string, 0 for null."""
        return max(0, self.varint() - 1)

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.skip(self.varint())
