"""Networks between gateway and brokers that fall silent, are slow, or break."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.bounds import within_s
from tests.faults.table import Row
from tests.faults.trial import REQUEST_TIMEOUT_S, Trial

_HALF_OPEN_TOLD_S = 10.0
"""When a connection on which nothing is answered is given up, where the deadline leaves room for it."""

_DELAY_S = 2.0


def test_12_half_open_connections(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Every connection to one broker goes dead without a word: what was on its way is written over a new one, once."""
    cluster = trial.cluster
    gateway = trial.start_gateway(timeouts={"request_timeout_s": 30})
    topic = trial.create_topic()
    with trial.load(gateway, topic, timeout_s=40) as load:
        cluster.links[cluster.kafka.leader(topic, 0).node_id].forget_connections()
        trial.fault_is_over()
        load.wait_until_served()

    row = trial.judge("12 half-open connections to one broker", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    assert row.gap_s is not None
    assert row.gap_s < within_s(_HALF_OPEN_TOLD_S + 3)


def test_12_half_open_connections_to_all_brokers(trial: Trial, tell: Callable[[Row], None]) -> None:
    """A network that forgets every connection: told as an outage, and over by itself."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        for link in cluster.links.values():
            link.forget_connections()
        trial.fault_is_over()
        load.wait_until_served()

    row = trial.judge("12 half-open connections to all brokers", tell)
    reasons = {failure.reason for attempt in load.steady_attempts() for failure in attempt.failures}
    assert reasons <= {"BROKERS_UNAVAILABLE"}
    assert row.gap_s is not None
    assert row.gap_s < within_s(REQUEST_TIMEOUT_S)


def test_12_two_seconds_of_delay(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Slow is not down: every request takes its two seconds, or a few of them, and succeeds."""
    cluster = trial.cluster
    gateway = trial.start_gateway(timeouts={"request_timeout_s": 30})
    topic = trial.create_topic()
    with trial.load(gateway, topic, timeout_s=40) as load:
        for link in cluster.links.values():
            link.delay(_DELAY_S)
        load.wait_until_each(lambda attempt: attempt.acknowledged and attempt.took_s >= _DELAY_S, 3, "served, slowly")
        assert 200 == gateway.rest.send("GET", "/readyz").status
        for link in cluster.links.values():
            link.heal()
        trial.fault_is_over()
        load.wait_until_each(lambda attempt: attempt.acknowledged and attempt.took_s < _DELAY_S, 3, "served, quickly")

    trial.judge("12 two seconds of delay", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]


def test_12_connections_reset_while_slow(trial: Trial, tell: Callable[[Row], None]) -> None:
    """To connect takes five of the slow round trips, and more to find the brokers anew: told as an outage, and over."""
    cluster = trial.cluster
    gateway = trial.start_gateway(timeouts={"request_timeout_s": 30})
    topic = trial.create_topic()
    with trial.load(gateway, topic, callers=2, timeout_s=40) as load:
        for link in cluster.links.values():
            link.delay(_DELAY_S)
            link.reset()
        trial.fault_is_over()
        load.wait_until_each(
            lambda attempt: attempt.acknowledged and attempt.took_s >= _DELAY_S, 2, "served, slowly", timeout_s=120
        )

    trial.judge("12 connections reset while slow", tell)
    reasons = {failure.reason for attempt in load.steady_attempts() for failure in attempt.failures}
    assert reasons <= {"BROKERS_UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_12_connections_reset(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Every connection to every broker is cut, again and again: nobody notices more than a delay."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        for _ in range(5):
            for link in cluster.links.values():
                link.reset()
            load.wait_until_served(1)
        trial.fault_is_over()
        load.wait_until_served()

    trial.judge("12 connections reset", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
