"""What one topic demands of its records."""

from __future__ import annotations

from typing import Final

import pytest

from twinpost_server.core.records import Record
from twinpost_server.kafka.topic_rules import TopicRules

NOW_MS: Final = 1_700_000_000_000
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000

BOUNDED: Final = TopicRules.of_config(
    {
        "max.message.bytes": "1048588",
        "cleanup.policy": "delete",
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(HOUR_MS),
        "message.timestamp.after.max.ms": str(HOUR_MS),
    }
)


def fields(rules: TopicRules, record: Record) -> list[str]:
    """Return what `record` breaks."""
    return [field for field, _ in rules.problems(record, NOW_MS)]


def test_configuration_is_read() -> None:
    """The names are Kafka's."""
    assert TopicRules(1_048_588, timestamp_before_ms_max=HOUR_MS, timestamp_after_ms_max=HOUR_MS) == BOUNDED


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="a broker that tells nothing"),
        pytest.param({"cleanup.policy": None, "message.timestamp.type": "CreateTime"}, id="an older broker"),
        pytest.param(
            {"message.timestamp.type": "LogAppendTime", "message.timestamp.after.max.ms": "0"},
            id="the broker's own time",
        ),
    ],
)
def test_what_is_not_told_or_not_kept_bounds_nothing(config: dict[str, str | None]) -> None:
    """It is for the broker to judge."""
    rules = TopicRules.of_config(config)
    assert TopicRules() == rules
    for timestamp in (1, 2**63 - 1):
        assert [] == fields(rules, Record(b"v", "t", timestamp=timestamp))


@pytest.mark.parametrize(
    ("distance_ms", "broken"),
    [
        (-2 * HOUR_MS, True),
        (-HOUR_MS - MINUTE_MS - 1, True),
        (-HOUR_MS - MINUTE_MS, False),
        (0, False),
        (HOUR_MS + MINUTE_MS, False),
        (HOUR_MS + MINUTE_MS + 1, True),
        (2**62, True),
    ],
)
def test_timestamp_near_a_bound_is_left_to_the_broker(distance_ms: int, *, broken: bool) -> None:
    """Its clock is not the gateway's."""
    record = Record(b"v", "t", timestamp=NOW_MS + distance_ms)
    assert broken == bool(fields(BOUNDED, record))
    least, greatest = BOUNDED.timestamps(NOW_MS)
    assert broken == (not least <= NOW_MS + distance_ms <= greatest)


@pytest.mark.parametrize(("distance_ms", "side"), [(-2 * HOUR_MS, "before"), (2 * HOUR_MS, "after")])
def test_refused_timestamp_is_told_with_its_bound(distance_ms: int, side: str) -> None:
    """What was wrong, what was expected, and what to do."""
    [(field, problem)] = BOUNDED.problems(Record(b"v", "t", timestamp=NOW_MS + distance_ms), NOW_MS)
    assert "timestamp" == field
    assert (
        f"is {NOW_MS + distance_ms}, which is {2 * HOUR_MS} ms {side} the present, and topic t takes at most {HOUR_MS} "
        f"(message.timestamp.{side}.max.ms): send milliseconds since the epoch, within that, or none" == problem
    )


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete, compact"])
def test_compacted_topic_demands_a_key(policy: str) -> None:
    """An empty one is one."""
    rules = TopicRules.of_config({"cleanup.policy": policy})
    assert ["key"] == fields(rules, Record(b"v", "t"))
    assert [] == fields(rules, Record(b"v", "t", key=""))


def test_every_broken_rule_is_told() -> None:
    """One request is enough to learn of all."""
    rules = TopicRules(key_required=True, timestamp_after_ms_max=0)
    assert ["key", "timestamp"] == fields(rules, Record(b"v", "t", timestamp=2**62))
