"""What reports tell of the timestamps that a topic keeps."""

from __future__ import annotations

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Message

from twinpost_server.kafka.timestamp_types import TimestampTypes

OWN_MS = 1000
BROKERS_MS = 5000


class Report(Message):
    """The report of a stored record."""

    def __init__(self, kind: int, *, latency_s: float = 1.0) -> None:
        """Tell the timestamp of a record so long after it was sent."""
        super().__init__(topic="t", timestamp=(kind, OWN_MS if kind == TIMESTAMP_CREATE_TIME else BROKERS_MS))
        self._latency_s = latency_s

    def latency(self) -> float:
        """Return how long that took, in seconds."""
        return self._latency_s


def told(types: TimestampTypes, kind: int, *, now: float = 0.0, latency_s: float = 1.0) -> int:
    """Return the timestamp that is told of a record."""
    return types.timestamp("t", OWN_MS, Report(kind, latency_s=latency_s), now)


@pytest.fixture
def doubted() -> TimestampTypes:
    """A topic that kept its records' timestamps a minute ago."""
    types = TimestampTypes(0)
    told(types, TIMESTAMP_CREATE_TIME)
    types.expire(61)
    return types


def test_topic_that_keeps_what_was_sent_is_known_from_then_on() -> None:
    """Its reports need not be asked any more."""
    types = TimestampTypes(0)
    assert OWN_MS == told(types, TIMESTAMP_CREATE_TIME)
    assert {"t"} == types.create_time


def test_topic_of_the_brokers_time_is_told_so_each_time() -> None:
    """Every record has a time of its own."""
    types = TimestampTypes(0)
    assert BROKERS_MS == told(types, TIMESTAMP_LOG_APPEND_TIME)
    assert set() == types.create_time


def test_knowledge_has_an_end() -> None:
    """Topics may be altered."""
    types = TimestampTypes(0)
    told(types, TIMESTAMP_CREATE_TIME)
    types.expire(59)
    assert {"t"} == types.create_time
    types.expire(61)
    assert set() == types.create_time


def test_repeated_batch_is_no_proof_of_a_change(doubted: TimestampTypes) -> None:
    """Though it is the first to be reported once the knowledge has ended; the next report confirms what was known."""
    assert OWN_MS == told(doubted, TIMESTAMP_LOG_APPEND_TIME, now=62)
    assert OWN_MS == told(doubted, TIMESTAMP_CREATE_TIME, now=63)
    assert {"t"} == doubted.create_time


def test_report_too_soon_for_a_repeat_is_believed(doubted: TimestampTypes) -> None:
    """A topic that was altered is told right from then on."""
    assert BROKERS_MS == told(doubted, TIMESTAMP_LOG_APPEND_TIME, now=62, latency_s=0.01)
    assert BROKERS_MS == told(doubted, TIMESTAMP_LOG_APPEND_TIME, now=63)


def test_reports_that_go_on_contradicting_are_believed(doubted: TimestampTypes) -> None:
    """Brokers may be slow to answer; repeats do not go on for so long."""
    told_at = {now: told(doubted, TIMESTAMP_LOG_APPEND_TIME, now=now) for now in range(62, 200, 10)}
    assert {now: OWN_MS if now < 92 else BROKERS_MS for now in told_at} == told_at


def test_repeats_far_apart_prove_nothing(doubted: TimestampTypes) -> None:
    """A topic with little traffic may have nothing but a repeat twice in a row."""
    assert [OWN_MS, OWN_MS] == [told(doubted, TIMESTAMP_LOG_APPEND_TIME, now=now) for now in (62, 200)]


def test_what_is_remembered_is_bounded() -> None:
    """However many topics come and go."""
    types = TimestampTypes(0)
    for minute in range(1, 5):
        for number in range(6000):
            types.timestamp(f"t{minute}-{number}", OWN_MS, Report(TIMESTAMP_CREATE_TIME), 0)
        types.expire(minute * 61)
    assert OWN_MS == types.timestamp("t4-1", OWN_MS, Report(TIMESTAMP_LOG_APPEND_TIME), 300)
    assert BROKERS_MS == types.timestamp("t1-1", OWN_MS, Report(TIMESTAMP_LOG_APPEND_TIME), 300)
