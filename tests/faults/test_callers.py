"""Callers who leave, who have no time, who are too many, or who come back all at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from tests.brokers.waiting import wait_for
from tests.faults.bounds import most, within_s
from tests.faults.callers import Caller, NativeCaller, RestCaller, native_request, rest_body
from tests.faults.journal import Attempt, Failed, SentRecord, Unanswered
from tests.faults.processes import memory_bytes, workers
from tests.faults.table import Row
from tests.faults.trial import Trial
from tests.gateway.process import Gateway
from tests.gateway.users import MYUSER
from twinpost.v1 import producer_service_pb2_grpc

_SLOW_S = 0.7
_LEAVE_AFTER_S = 0.2
_BUDGET = 120
_STORM_CALLERS = 40
_MIB = 1024 * 1024


def test_08_callers_who_leave_or_have_no_time(trial: Trial, tell: Callable[[Row], None]) -> None:
    """They recall nothing and leave nothing behind: their records are stored once, and their room is free again."""
    cluster = trial.cluster
    limits = {"in_flight_records_max": _BUDGET, "request_records_max": _BUDGET}
    gateway = trial.start_gateway(workers={"count": 1}, limits=limits)
    topic = trial.create_topic(partitions=1)

    def some(count: int = 5) -> list[SentRecord]:
        return [trial.record(topic) for _ in range(count)]

    with trial.callers(gateway) as callers:
        for caller in callers:
            assert trial.send(caller, some(1)).acknowledged
        for link in cluster.links.values():
            link.delay(_SLOW_S)
        for _ in range(3):
            for leave in (_hang_up, _cancel):
                began_at, records = time.monotonic(), some()
                leave(gateway, topic, records)
                gone = [Unanswered("the caller has left")] * len(records)
                trial.journal.add(Attempt("leaver", began_at, time.monotonic(), "", records, gone))
            for caller in callers:
                late = trial.send(caller, some(), timeout_s=_SLOW_S / 2)
                assert not late.acknowledged
                assert {"unknown"} >= {failure.delivered for failure in late.failures}
                assert late.took_s < within_s(_SLOW_S)
        # Let in only where nothing of the above is held any more.
        assert [Failed("OVERLOADED", "no")] * _BUDGET == trial.send(callers[0], some(_BUDGET)).outcomes
        for link in cluster.links.values():
            link.heal()
        sent = sum(len(attempt.records) for attempt in trial.journal.attempts()) - _BUDGET
        wait_for(lambda: cluster.ends(topic)[0] == sent, "every record stored, also of those who left", timeout_s=30)
        for caller in callers:
            wait_for(
                lambda caller=caller: trial.send(caller, some(_BUDGET)).acknowledged,  # type: ignore[misc]
                "room for as much as the budget",
                timeout_s=10,
            )

    trial.judge("08 callers who leave or have no time", tell)


def test_09_slow_brokers_and_a_full_budget(trial: Trial, tell: Callable[[Row], None]) -> None:
    """What there is no room for is refused at once; what is admitted takes the brokers' time and no more."""
    cluster = trial.cluster
    limits = {"in_flight_records_max": _BUDGET, "request_records_max": _BUDGET}
    gateway = trial.start_gateway(workers={"count": 1}, limits=limits)
    topic = trial.create_topic()
    with trial.load(gateway, topic, records=10, interval_s=0.2) as load:
        memory_before = memory_bytes(workers(gateway))
        for link in cluster.links.values():
            link.delay(_SLOW_S)
        slow_at = time.monotonic()
        wait_for(
            lambda: (
                sum(attempt.status in {"429", "RESOURCE_EXHAUSTED"} for attempt in load.attempts()) > 300
                and sum(attempt.acknowledged and attempt.began_at > slow_at for attempt in load.attempts()) > 30
            ),
            "many refused and some admitted",
            timeout_s=60,
        )
        memory_after = memory_bytes(workers(gateway))
        for link in cluster.links.values():
            link.heal()
        healed_at = trial.fault_is_over()
        load.wait_until_served()

    trial.judge("09 slow brokers and a full budget", tell)
    attempts = [attempt for attempt in load.attempts() if attempt.began_at > slow_at]
    refused = [attempt for attempt in attempts if not attempt.acknowledged]
    admitted = [attempt.took_s for attempt in attempts if attempt.acknowledged and attempt.ended_at < healed_at]
    assert {Failed("OVERLOADED", "no")} == {failure for attempt in refused for failure in attempt.failures}
    assert {"429", "RESOURCE_EXHAUSTED"} == {attempt.status for attempt in refused}
    assert most([attempt.took_s for attempt in refused]) < within_s(0.05)
    # A connection carries five batches at a time, and what waits goes with the next: a few round trips, never more.
    assert most(admitted) < within_s(5 * _SLOW_S)
    assert memory_after - memory_before < 32 * _MIB


def test_15_retry_storm_after_an_outage(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Everybody who was refused comes back at the same moment, without a pause, and everybody is served once."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    back = threading.Event()
    # The last: the brokers are there, and their replicas are catching up.
    refusals = {Failed(reason, "no") for reason in ("BROKERS_UNAVAILABLE", "OVERLOADED", "NOT_ENOUGH_REPLICAS")}

    def persist(caller: Caller) -> Attempt:
        """Send until acknowledged; as long as the brokers are away once is enough."""
        trial.send(caller, [trial.record(topic)])
        back.wait()
        while True:
            attempt = trial.send(caller, [trial.record(topic, key=caller.name.encode())])
            # What may be in the log is not sent again.
            if attempt.outcomes[0] not in refusals:
                return attempt

    with trial.load(gateway, topic, callers=2) as load, ExitStack() as stack:
        cluster.kill_all()
        gateway.wait_until_not_ready()
        callers = _crowd(gateway, stack)
        with ThreadPoolExecutor(len(callers)) as threads:
            stack.callback(back.set)
            storm = [threads.submit(persist, caller) for caller in callers]
            cluster.start_all()
            gateway.wait_until_ready()
            trial.fault_is_over()
            back.set()
            stormed_at = time.monotonic()
            attempts = [attempt.result() for attempt in storm]
            storm_s = time.monotonic() - stormed_at
        load.wait_until_served()

    trial.judge("15 retry storm after an outage", tell)
    assert [] == [attempt for attempt in attempts if not attempt.acknowledged]
    assert storm_s < within_s(5)
    reasons = {failure.reason for attempt in trial.journal.attempts() for failure in attempt.failures}
    assert reasons <= {refusal.reason for refusal in refusals}


def _crowd(gateway: Gateway, stack: ExitStack) -> list[Caller]:
    numbers = range(_STORM_CALLERS)
    callers: list[Caller] = [RestCaller(f"storm-rest-{number}", gateway.port) for number in numbers]
    callers += [NativeCaller(f"storm-grpc-{number}", gateway.address) for number in numbers]
    for caller in callers:
        stack.callback(caller.close)
    return callers


def _hang_up(gateway: Gateway, topic: str, records: Sequence[SentRecord]) -> None:
    with pytest.raises(TimeoutError):
        gateway.rest.send("POST", f"/produce/{topic}", body=rest_body(records), timeout_s=_LEAVE_AFTER_S)


def _cancel(gateway: Gateway, topic: str, records: Sequence[SentRecord]) -> None:  # noqa: ARG001 - as `_hang_up`
    with grpc.insecure_channel(gateway.address) as channel:
        stub = producer_service_pb2_grpc.ProducerServiceStub(channel)
        call = stub.Produce.future(native_request(records), metadata=(("authorization", MYUSER.authorization),))
        with pytest.raises(grpc.FutureTimeoutError):
            call.result(timeout=_LEAVE_AFTER_S)
        call.cancel()
