"""Brokers that die, move, fall behind or are all away."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import _ElectionType as ElectionType  # the package has no public name for it

from tests.brokers.waiting import wait_for
from tests.faults.bounds import OUTAGE_S, most, within_s
from tests.faults.journal import Acknowledged, Attempt, Failed
from tests.faults.processes import memory_bytes, workers
from tests.faults.table import Row
from tests.faults.trial import REQUEST_TIMEOUT_S, Trial

_ELECTION_TIMEOUT_S = 30.0
_MIB = 1024 * 1024
_MEMORY_GROWTH_MAX_BYTES = 48 * _MIB
"""What two workers may take more during an outage than before: caches and fragments, not queues."""


def test_01_broker_killed_between_append_and_ack(trial: Trial, tell: Callable[[Row], None]) -> None:
    """What the dead leader had appended is acknowledged once, by its successor, and stored once."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    leader = cluster.kafka.leader(topic, 0)
    led = [number for number, node in cluster.kafka.client.leaders(topic).items() if node == leader.node_id]
    with trial.load(gateway, topic) as load:
        cluster.links[leader.node_id].hold()
        wait_for(lambda: _appended_only(trial, topic, led), "a record appended, not acknowledged", timeout_s=10)
        appended = cluster.ends(topic)
        leader.process.kill()
        killed_at = trial.fault_is_over()
        wait_for(
            lambda: (
                set(led)
                <= {number for number, node in cluster.kafka.client.leaders(topic).items() if node != leader.node_id}
            ),
            "new leaders",
            timeout_s=_ELECTION_TIMEOUT_S,
        )
        election_s = time.monotonic() - killed_at
        load.wait_until_served()

    row = trial.judge(f"01 broker killed between append and ack (election: {election_s:.1f} s)", tell)
    held = [
        outcome
        for attempt in trial.journal.attempts()
        for outcome in attempt.outcomes
        if attempt.ended_at > killed_at
        and isinstance(outcome, Acknowledged)
        and outcome.partition in led
        and outcome.offset < appended[outcome.partition]
    ]
    assert held, "the broker was killed after its answers had got through"
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(election_s + 2)


def test_02_leader_moved_in_the_middle_of_a_batch(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Batches that are under way go to the new leader; no caller notices more than a delay."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.new_name()
    cluster.create_topic_led_by(1, topic, partitions=3)
    partitions = [TopicPartition(topic, number) for number in range(3)]
    with trial.load(gateway, topic, callers=4, records=100, value_bytes=1000, interval_s=0.25) as load:
        # Long enough under way that every moment is the middle of some batch.
        cluster.links[1].delay(0.1)
        # A controlled shutdown hands leadership over before the broker goes …
        cluster.kafka.nodes[1].process.stop()
        load.wait_until_served()
        cluster.start_all()
        cluster.wait_until_whole([topic])
        # … and an election takes it back while old and new leader are both there.
        cluster.kafka.client.admin.elect_leaders(ElectionType.PREFERRED, partitions).result(10)
        trial.fault_is_over()
        wait_for(
            lambda: {1} == set(cluster.kafka.client.leaders(topic).values()),
            "the preferred leader",
            timeout_s=_ELECTION_TIMEOUT_S,
        )
        load.wait_until_served()

    trial.judge("02 leader moved in the middle of a batch", tell)
    assert [] == [attempt.outcomes[0] for attempt in load.attempts() if not attempt.acknowledged]


def test_03_in_sync_replicas_below_the_minimum(trial: Trial, tell: Callable[[Row], None]) -> None:
    """503 while a replica is missing: `unknown` for what was sent, `no` and at once for what comes later."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic(config={"min.insync.replicas": "3"})
    with trial.load(gateway, topic) as load:
        cluster.kafka.nodes[3].process.kill()
        killed_at = time.monotonic()
        load.wait_until_each(_refused, 3, "refused before anything was sent")
        short_until = time.monotonic()
        cluster.start_all()
        cluster.wait_until_whole([topic])
        trial.fault_is_over()
        load.wait_until_served()

    trial.judge("03 in-sync replicas below min.insync.replicas", tell)
    short = [attempt for attempt in trial.journal.attempts() if killed_at < attempt.ended_at < short_until]
    assert [] == [attempt for attempt in short if attempt.acknowledged and attempt.began_at > killed_at]
    short = [attempt for attempt in short if not attempt.acknowledged]
    failures = [failure for attempt in short for failure in attempt.failures]
    assert {"NOT_ENOUGH_REPLICAS"} == {failure.reason for failure in failures}
    assert {"no", "unknown"} == {failure.delivered for failure in failures}
    # A request of which some records were acknowledged just in time is OK on gRPC.
    assert {"503", "UNAVAILABLE"} <= {attempt.status for attempt in short} <= {"503", "UNAVAILABLE", "OK"}
    refused = [attempt.took_s for attempt in short if attempt.failures[0].delivered == "no"]
    assert most(refused) < within_s(0.1)


def test_04_all_brokers_down_at_start(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Live, not ready, a quick 503; ready by itself once the brokers are there."""
    cluster = trial.cluster
    topic = trial.create_topic()
    cluster.kill_all()
    gateway = trial.start_gateway(ready=False)
    gateway.wait_until_not_ready()
    assert 200 == gateway.rest.send("GET", "/livez").status
    with trial.callers(gateway) as callers:
        for caller in callers:
            first = trial.send(caller, [trial.record(topic)])
            assert first.took_s < within_s(REQUEST_TIMEOUT_S)
            # By now each worker has verified the password, which takes its time once.
            trial.send(caller, [trial.record(topic)])
            later = [trial.send(caller, [trial.record(topic)]) for _ in range(20)]
            assert {Failed("BROKERS_UNAVAILABLE", "no")} == {
                outcome for attempt in (first, *later) for outcome in attempt.outcomes
            }
            assert {attempt.status for attempt in later} < {"503", "UNAVAILABLE"}
            assert most([attempt.took_s for attempt in later]) < within_s(0.1)
    cluster.start_all()
    answering_at = time.monotonic()
    gateway.wait_until_ready()
    ready_s = time.monotonic() - answering_at
    with trial.load(gateway, topic) as load:
        load.wait_until_served()

    trial.judge("04 all brokers down at start", tell)
    assert ready_s < within_s(5)


def test_04_all_brokers_down_while_running(trial: Trial, tell: Callable[[Row], None]) -> None:
    """A first 503 within the deadline, quick ones after that, memory flat, and back without a restart."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        family = workers(gateway)
        memory_before = memory_bytes(family)
        cluster.kill_all()
        killed_at = time.monotonic()
        gateway.wait_until_not_ready()
        known_at = time.monotonic()
        load.wait_until_each(
            lambda attempt: attempt.began_at > killed_at + OUTAGE_S,
            3,
            "tried late in the outage",
            timeout_s=OUTAGE_S + 60,
        )
        away = trial.journal.since(killed_at)
        memory_after = memory_bytes(family)
        cluster.start_all()
        answering_at = trial.fault_is_over()
        gateway.wait_until_ready()
        ready_s = time.monotonic() - answering_at
        load.wait_until_served()

    trial.judge("04 all brokers down while running", tell)
    assert family == workers(gateway)
    assert [] == [attempt for attempt in away if attempt.acknowledged]
    assert max(attempt.took_s for attempt in away) < within_s(REQUEST_TIMEOUT_S + 1)
    known = [attempt for attempt in away if attempt.began_at > known_at]
    assert {"503", "UNAVAILABLE"} == {attempt.status for attempt in known}
    assert {Failed("BROKERS_UNAVAILABLE", "no")} == {failure for attempt in known for failure in attempt.failures}
    assert most([attempt.took_s for attempt in known]) < within_s(0.1)
    assert memory_after - memory_before < _MEMORY_GROWTH_MAX_BYTES
    assert ready_s < within_s(5)


def _appended_only(trial: Trial, topic: str, partitions: list[int]) -> bool:
    """Return whether one of `partitions` has more records than were acknowledged."""
    ends = trial.cluster.ends(topic)
    told: dict[int, int] = {}
    for attempt in trial.journal.attempts():
        for outcome in attempt.outcomes:
            if isinstance(outcome, Acknowledged):
                told[outcome.partition] = max(outcome.offset + 1, told.get(outcome.partition, 0))
    return any(ends[number] > told.get(number, 0) for number in partitions)


def _refused(attempt: Attempt) -> bool:
    """Return whether `attempt` was answered with failures that leave no doubt."""
    return bool(attempt.failures) and all(failure.delivered == "no" for failure in attempt.failures)
