"""The records of one request, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from twinpost_server.core.errors import VIOLATIONS_MAX, Failure, Reason, RequestFailed, Violation
from twinpost_server.core.limits import INT32_MAX, INT64_MAX, Limits
from twinpost_server.core.records import Record, record_bytes
from twinpost_server.core.topics import TOPIC_RULE, is_topic_name

__all__ = ["RecordBatch"]


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records that keep every rule that can be checked without a broker.

    Attributes:
        records: in request order, at least one.
        topics: the distinct topics they name.
        size_bytes: the sum of their sizes, as `core.records.record_bytes` counts.
        partitions_named: whether any of them names its partition.
    """

    records: Sequence[Record]
    topics: frozenset[str]
    size_bytes: int
    partitions_named: bool

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
        suspect = partitions_named = False
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
                suspect = suspect or next(_header_violations(record, "", limits), None) is not None
            if size > record_bytes_max:
                suspect = True
            if record.partition is not None:
                partitions_named = True
                suspect = suspect or not 0 <= record.partition <= INT32_MAX
            if record.timestamp is not None and not 0 < record.timestamp <= INT64_MAX:
                suspect = True
            size_bytes += size
            topics.add(record.topic)
        if suspect or not all(map(is_topic_name, topics)):
            raise RequestFailed(_refusal(records, limits))
        return cls(records, frozenset(topics), size_bytes, partitions_named)


def _refusal(records: Sequence[Record], limits: Limits) -> Failure:
    rules = list(islice(_rule_violations(records, limits), VIOLATIONS_MAX))
    sizes = list(islice(_size_violations(records, limits), VIOLATIONS_MAX - len(rules)))
    return Failure(
        reason=Reason.INVALID_RECORD if rules else Reason.RECORD_TOO_LARGE,
        message=f"{(rules or sizes)[0].path}: {(rules or sizes)[0].problem}; nothing was written",
        violations=tuple(rules + sizes),
    )


def _rule_violations(records: Sequence[Record], limits: Limits) -> Iterator[Violation]:
    for index, record in enumerate(records):
        path = f"[{index}]"
        if not is_topic_name(record.topic):
            yield Violation(f"{path}.topic", f"{_shown(record.topic)} is not a topic name: expected {TOPIC_RULE}")
        if record.partition is not None and not 0 <= record.partition <= INT32_MAX:
            yield Violation(
                f"{path}.partition", f"{record.partition} is not a partition: expected 0 to {INT32_MAX}, or none at all"
            )
        if record.timestamp is not None and not 0 < record.timestamp <= INT64_MAX:
            yield Violation(
                f"{path}.timestamp",
                f"{record.timestamp} is not a timestamp: expected milliseconds since the epoch, 1 to {INT64_MAX} "
                "(Kafka clients read 0 as 'now'), or none at all",
            )
        yield from _header_violations(record, path, limits)


def _header_violations(record: Record, path: str, limits: Limits) -> Iterator[Violation]:
    headers = record.headers or []
    if len(headers) > limits.record_headers_max:
        yield Violation(
            f"{path}.headers",
            f"{len(headers)} headers are more than the limit of {limits.record_headers_max} "
            "(limits.record_headers_max)",
        )
    for index, header in enumerate(headers):
        # librdkafka's Python binding hands header names over as C strings: past a NUL the name would be lost.
        if "\0" in header.key:
            yield Violation(f"{path}.headers[{index}].key", "a header's key cannot hold a NUL character: remove it")


def _size_violations(records: Sequence[Record], limits: Limits) -> Iterator[Violation]:
    for index, record in enumerate(records):
        size = record_bytes(record)
        if size > limits.record_bytes_max:
            yield Violation(
                f"[{index}]",
                f"the record is {size} bytes (key, value and headers), more than the limit of "
                f"{limits.record_bytes_max} (limits.record_bytes_max)",
            )


def _shown(text: str, length_max: int = 60) -> str:
    return repr(text if len(text) <= length_max else f"{text[:length_max]}…")
