"""The producer inside a worker that ends for good."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError

from tests.faults.bounds import within_s
from tests.faults.journal import Failed
from tests.faults.processes import workers
from tests.faults.table import Row
from tests.faults.trial import Trial


def test_05_idempotent_producer_turned_fatal(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Only what it held is `unknown`; a new one serves the next request, in the same worker."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    link = cluster.links[cluster.kafka.leader(topic, 0).node_id]
    with trial.load(gateway, topic) as load:
        family = workers(gateway)
        link.falsify(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
        load.wait_until_any(
            lambda attempt: Failed("PRODUCER_FAILED", "unknown") in attempt.outcomes, "a producer has failed"
        )
        trial.fault_is_over()
        load.wait_until_served()
        assert 200 == gateway.rest.send("GET", "/readyz").status
        assert family == workers(gateway)

    row = trial.judge("05 idempotent producer turned fatal", tell)
    failed = [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    assert 1 == link.falsified
    # `no`: what came in the moment between the producer's end and its replacement.
    failures = {failure for attempt in failed for failure in attempt.failures}
    assert failures <= {Failed("PRODUCER_FAILED", "unknown"), Failed("PRODUCER_FAILED", "no")}
    assert {"503", "UNAVAILABLE", "OK"} >= {attempt.status for attempt in failed}
    # A caller has one request under way: each can be hit once.
    assert len(failed) <= len(load.callers)
    assert len(failed) == len({attempt.caller for attempt in failed})
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(1)
    assert 1 == gateway.log().count("producer failed for good and is replaced")
