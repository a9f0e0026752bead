"""The rules of a record's fields, each as what is wrong with a value, or nothing."""

from __future__ import annotations

from typing import Final

from twinpost_server.core.topics import TOPIC_RULE, is_topic_name

__all__ = [
    "INT32_MAX",
    "INT64_MAX",
    "header_key_problem",
    "headers_problem",
    "partition_problem",
    "size_problem",
    "timestamp_problem",
    "topic_problem",
]

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1

_SHOWN_MAX: Final = 60


def topic_problem(topic: str) -> str | None:
    """Return what is wrong with a topic's name."""
    if is_topic_name(topic):
        return None
    shown = topic if len(topic) <= _SHOWN_MAX else f"{topic[:_SHOWN_MAX]}…"
    # `ascii` escapes what an answer could not carry.
    return f"{shown!a} is not a topic name: expected {TOPIC_RULE}"


def partition_problem(partition: int) -> str | None:
    """Return what is wrong with an explicit partition."""
    if 0 <= partition <= INT32_MAX:
        return None
    return f"{_shown(partition)} is not a partition: expected 0 to {INT32_MAX}, or none at all"


def timestamp_problem(timestamp: int) -> str | None:
    """Return what is wrong with a timestamp; librdkafka reads 0 as 'now', so it is refused rather than altered."""
    if 0 < timestamp <= INT64_MAX:
        return None
    return (
        f"{_shown(timestamp)} is not a timestamp: expected milliseconds since the epoch, 1 to {INT64_MAX} "
        "(Kafka clients read 0 as 'now'), or none at all"
    )


def headers_problem(headers: int, headers_max: int) -> str | None:
    """Return what is wrong with the number of headers."""
    if headers <= headers_max:
        return None
    return f"{headers} headers are more than the limit of {headers_max} (limits.record_headers_max)"


def header_key_problem(key: str) -> str | None:
    """Return what is wrong with a header's key.

    librdkafka's Python binding hands header names over as C strings: past a NUL the name would be lost.
    """
    return "a header's key cannot hold a NUL character: remove it" if "\0" in key else None


def size_problem(size_bytes: int, size_bytes_max: int) -> str | None:
    """Return what is wrong with the size of a record, as `core.records.record_bytes` counts it."""
    if size_bytes <= size_bytes_max:
        return None
    return (
        f"the record is {size_bytes} bytes (key, value and headers), more than the limit of {size_bytes_max} "
        "(limits.record_bytes_max)"
    )


def _shown(number: int) -> str:
    # A caller may send thousands of digits, and once for every record.
    return str(number) if abs(number) < 10**20 else f"a number of {number.bit_length()} bits"
