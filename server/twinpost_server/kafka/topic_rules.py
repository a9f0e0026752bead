"""What one topic demands of its records, beside what every topic does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from twinpost_server.core.records import Record

__all__ = ["TopicRules"]

_CLOCKS_APART_MS_MAX: Final = 60_000
"""How far the broker's clock may be from the gateway's: what is this near to a bound is for the broker to judge."""

_UNBOUNDED_MS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TopicRules:
    """The rules a broker keeps for one topic (Kafka's `LogValidator`), where it tells of them.

    Attributes:
        batch_bytes_max: how many bytes of records it takes at once; `None` where that is not told.
        key_required: whether every record needs a key.
        timestamp_before_ms_max: how long before the broker's time a record may have been made.
        timestamp_after_ms_max: how long after it.
    """

    batch_bytes_max: int | None = None
    key_required: bool = False
    timestamp_before_ms_max: int = _UNBOUNDED_MS
    timestamp_after_ms_max: int = _UNBOUNDED_MS

    @classmethod
    def of_config(cls, config: Mapping[str, str | None]) -> TopicRules:
        """Read the rules from a topic's configuration; settings that an older broker does not have bound nothing."""
        batch_bytes_max = config.get("max.message.bytes")
        policies = (config.get("cleanup.policy") or "").split(",")
        # Under LogAppendTime the broker overwrites timestamps and looks at none.
        kept = config.get("message.timestamp.type") == "CreateTime"
        before = config.get("message.timestamp.before.max.ms") if kept else None
        after = config.get("message.timestamp.after.max.ms") if kept else None
        return cls(
            batch_bytes_max=None if batch_bytes_max is None else int(batch_bytes_max),
            key_required="compact" in map(str.strip, policies),
            timestamp_before_ms_max=_UNBOUNDED_MS if before is None else int(before),
            timestamp_after_ms_max=_UNBOUNDED_MS if after is None else int(after),
        )

    def timestamps(self, now_ms: int) -> tuple[int, int]:
        """Return the least and the greatest timestamp that the broker may take at `now_ms`."""
        return (
            now_ms - self.timestamp_before_ms_max - _CLOCKS_APART_MS_MAX,
            now_ms + self.timestamp_after_ms_max + _CLOCKS_APART_MS_MAX,
        )

    def problems(self, record: Record, now_ms: int) -> Iterator[tuple[str, str]]:
        """Yield what `record` breaks for certain at `now_ms`: the field, and what is wrong with it."""
        if self.key_required and record.key is None:
            yield "key", f"is missing, and topic {record.topic} is compacted (cleanup.policy): send a key"
        if record.timestamp is None:
            return
        least, greatest = self.timestamps(now_ms)
        if record.timestamp > greatest:
            yield "timestamp", _beyond(record, record.timestamp - now_ms, "after", self.timestamp_after_ms_max)
        elif record.timestamp < least:
            yield "timestamp", _beyond(record, now_ms - record.timestamp, "before", self.timestamp_before_ms_max)


def _beyond(record: Record, distance_ms: int, side: str, ms_max: int) -> str:
    return (
        f"is {record.timestamp}, which is {distance_ms} ms {side} the present, and topic {record.topic} takes at most "
        f"{ms_max} (message.timestamp.{side}.max.ms): send milliseconds since the epoch, within that, or none"
    )
