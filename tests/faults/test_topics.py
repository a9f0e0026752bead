"""Topics that are missing, vanish or refuse, and records that only their senders should hear of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tests.faults.bounds import within_s
from tests.faults.journal import Acknowledged, Failed
from tests.faults.table import Row
from tests.faults.trial import Trial

_HOUR_MS = 3600 * 1000


def test_06_topic_missing_or_partition_out_of_range(trial: Trial, tell: Callable[[Row], None]) -> None:
    """404 and 400, in time, with nothing written; who asks for what is there does not notice."""
    gateway = trial.start_gateway()
    topic = trial.create_topic(partitions=6)
    with trial.load(gateway, topic) as load, trial.callers(gateway) as callers:
        for caller in callers:
            missing = trial.send(caller, [trial.record("no-such-topic")])
            assert [Failed("TOPIC_NOT_FOUND", "no")] == missing.outcomes
            assert missing.status in {"404", "NOT_FOUND"}
            beyond = trial.send(caller, [trial.record(topic), replace(trial.record(topic), partition=6)])
            assert [Failed("PARTITION_OUT_OF_RANGE", "no")] * 2 == beyond.outcomes
            assert beyond.status in {"400", "INVALID_ARGUMENT"}
        load.wait_until_served()

    trial.judge("06 topic missing, partition out of range", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]


def test_06_topic_deleted_and_created_again(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Told as missing while it is; the new topic of the name is written without a restart."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    other = trial.create_topic()
    doomed = "doomed-topic"
    cluster.kafka.create_topic(doomed, partitions=6)
    cluster.wait_until_whole([doomed])
    with trial.load_aside(gateway, doomed) as aside, trial.load(gateway, other, callers=2) as load:
        cluster.kafka.client.delete_topic(doomed)
        aside.wait_until_each(
            lambda attempt: Failed("TOPIC_NOT_FOUND", "no") in attempt.outcomes, 3, "told that the topic is missing"
        )
        created_at = time.monotonic()
        cluster.kafka.create_topic(doomed, partitions=6)
        aside.wait_until_served(10)
        load.wait_until_served()

    # What was written before the deletion is gone with the topic, as it should be.
    trial.also_judge(doomed, [attempt for attempt in aside.attempts() if attempt.ended_at > created_at])
    trial.judge("06 topic deleted while producing, and created again", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]


def test_07_one_oversized_record_in_a_good_batch(trial: Trial, tell: Callable[[Row], None]) -> None:
    """A 413 for that record alone: neither its neighbours in the request nor other callers are held up."""
    gateway = trial.start_gateway()
    topic = trial.create_topic(partitions=1, config={"max.message.bytes": "20000"})
    with trial.load(gateway, topic) as load, trial.callers(gateway) as callers:
        for caller in callers:
            for _ in range(10):
                attempt = trial.send(
                    caller, [trial.record(topic), trial.record(topic, value_bytes=50_000), trial.record(topic)]
                )
                first, big, last = attempt.outcomes
                assert Failed("RECORD_TOO_LARGE", "no") == big
                assert isinstance(first, Acknowledged)
                assert isinstance(last, Acknowledged)
                assert attempt.status in {"413", "OK"}
        load.wait_until_served()

    row = trial.judge("07 oversized record in a good batch", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    assert row.gap_s is not None
    assert row.gap_s < within_s(1.5)


def test_07_bad_timestamp_among_other_callers(trial: Trial, tell: Callable[[Row], None]) -> None:
    """A time that the topic does not take fails its own record, whoever shares the broker's batch with it."""
    gateway = trial.start_gateway()
    topic = trial.create_topic(partitions=1, config={"message.timestamp.after.max.ms": str(_HOUR_MS)})
    with trial.load(gateway, topic) as load, trial.callers(gateway) as callers:
        for caller in callers:
            for _ in range(10):
                tomorrow = time.time_ns() // 1_000_000 + 24 * _HOUR_MS
                attempt = trial.send(caller, [replace(trial.record(topic), timestamp=tomorrow)])
                assert [Failed("INVALID_TIMESTAMP", "no")] == attempt.outcomes
        load.wait_until_served()

    trial.judge("07 bad timestamp among other callers", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
