"""The records of one request, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twinpost_server.core.errors import VIOLATIONS_MAX, Failure, Reason, RequestFailed, Violation
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, record_bytes
from twinpost_server.core.rules import (
    INT32_MAX,
    INT64_MAX,
    header_key_problem,
    headers_problem,
    partition_problem,
    size_problem,
    timestamp_problem,
    topic_problem,
)
from twinpost_server.core.topics import is_topic_name

__all__ = ["RecordBatch"]

_RECORD_HELD_BYTES: Final = 256
"""What a record takes beside its bytes while it is in flight: objects of ours and of librdkafka, rounded."""

_HEADER_HELD_BYTES: Final = 128
"""The same for a header: without it, a million empty headers would weigh nothing."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records that keep every rule that can be checked without a broker.

    Attributes:
        records: in request order, at least one.
        topics: the distinct topics they name.
        size_bytes: the sum of their sizes, as `core.records.record_bytes` counts.
        held_bytes: what they take while they are held: their size, and what each record and header costs on top.
        partitions_named: whether any of them names its partition.
        timestamps_named: whether any of them names its timestamp.
    """

    records: Sequence[Record]
    topics: frozenset[str]
    size_bytes: int
    held_bytes: int
    partitions_named: bool
    timestamps_named: bool

    @classmethod
    def checked(cls, records: Sequence[Record], limits: Limits) -> RecordBatch:
        """Check every record against the rules and `limits`.

        Raises:
            RequestFailed: REQUEST_TOO_LARGE for too many records; else INVALID_RECORD with every broken rule, or
                RECORD_TOO_LARGE where size is the only one broken.
        """
        if len(records) > limits.request_records_max:
            raise RequestFailed(
                Failure(
                    reason=Reason.REQUEST_TOO_LARGE,
                    message=(
                        f"the request holds {len(records)} messages, more than the limit of "
                        f"{limits.request_records_max} (limits.request_records_max): split it"
                    ),
                )
            )
        # The good request is the hot one: this loop only sums and compares, and leaves naming what is wrong to a second
        # walk that bad requests alone pay for.
        size_bytes = 0
        headers = 0
        suspect = partitions_named = timestamps_named = False
        topics = set()
        record_bytes_max = limits.record_bytes_max
        for record in records:
            value = record.value
            key = record.key
            size = 0
            if value is not None:
                size = len(value) if value.__class__ is bytes or value.isascii() else len(value.encode())  # type: ignore[union-attr]
            if key is not None:
                size += len(key) if key.__class__ is bytes or key.isascii() else len(key.encode())  # type: ignore[union-attr]
            if record.headers:
                size = record_bytes(record)
                headers += len(record.headers)
                suspect = suspect or any(_header_problems(record, limits))
            if size > record_bytes_max:
                suspect = True
            if record.partition is not None:
                partitions_named = True
                suspect = suspect or not 0 <= record.partition <= INT32_MAX
            if record.timestamp is not None:
                timestamps_named = True
                suspect = suspect or not 0 < record.timestamp <= INT64_MAX
            size_bytes += size
            topics.add(record.topic)
        if suspect or not all(map(is_topic_name, topics)):
            raise RequestFailed(_refusal(records, limits))
        held_bytes = size_bytes + len(records) * _RECORD_HELD_BYTES + headers * _HEADER_HELD_BYTES
        return cls(records, frozenset(topics), size_bytes, held_bytes, partitions_named, timestamps_named)

    def part(self, indexes: Sequence[int]) -> RecordBatch:
        """Return the batch of only the records at `indexes`, in that order."""
        records = [self.records[index] for index in indexes]
        size_bytes = sum(map(record_bytes, records))
        headers = sum(len(record.headers or ()) for record in records)
        return RecordBatch(
            records,
            frozenset(record.topic for record in records),
            size_bytes,
            size_bytes + len(records) * _RECORD_HELD_BYTES + headers * _HEADER_HELD_BYTES,
            any(record.partition is not None for record in records),
            any(record.timestamp is not None for record in records),
        )


def _refusal(records: Sequence[Record], limits: Limits) -> Failure:
    rules = list(islice(_rule_violations(records, limits), VIOLATIONS_MAX))
    sizes = list(islice(_size_violations(records, limits), VIOLATIONS_MAX - len(rules)))
    return Failure.of_violations(
        Reason.INVALID_RECORD if rules else Reason.RECORD_TOO_LARGE, violations=tuple(rules + sizes)
    )


def _rule_violations(records: Sequence[Record], limits: Limits) -> Iterator[Violation]:
    for index, record in enumerate(records):
        for field, problem in _problems(record, limits):
            yield Violation(f"[{index}].{field}", problem)


def _problems(record: Record, limits: Limits) -> Iterator[tuple[str, str]]:
    if problem := topic_problem(record.topic):
        yield "topic", problem
    if record.partition is not None and (problem := partition_problem(record.partition)):
        yield "partition", problem
    if record.timestamp is not None and (problem := timestamp_problem(record.timestamp)):
        yield "timestamp", problem
    yield from _header_problems(record, limits)


def _header_problems(record: Record, limits: Limits) -> Iterator[tuple[str, str]]:
    headers = record.headers or []
    if problem := headers_problem(len(headers), limits.record_headers_max):
        yield "headers", problem
    for index, header in enumerate(headers):
        if problem := header_key_problem(header.key):
            yield f"headers[{index}].key", problem


def _size_violations(records: Sequence[Record], limits: Limits) -> Iterator[Violation]:
    for index, record in enumerate(records):
        if problem := size_problem(record_bytes(record), limits.record_bytes_max):
            yield Violation(f"[{index}]", problem)
