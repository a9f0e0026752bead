"""Processes of the gateway that are ended, politely or not, while both protocols are under load."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.brokers.liveness import alive
from tests.brokers.waiting import wait_for
from tests.faults.bounds import most, within_s
from tests.faults.callers import Caller
from tests.faults.journal import Attempt, Failed
from tests.faults.processes import envoy, family, supervisor_suspended, workers
from tests.faults.table import Row
from tests.faults.trial import Trial

_STOP_TIMEOUT_S = 30.0
_BACK_S = 3.0
"""How soon service is back after a process of the gateway was killed."""


def test_10_worker_killed(trial: Trial, tell: Callable[[Row], None]) -> None:
    """What it had under way is `unknown`; the other worker goes on, and a new one takes its place."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        before = workers(gateway)
        before[0].kill()
        trial.fault_is_over()
        wait_for(lambda: len(workers(gateway)) == 2, "a new worker", timeout_s=_STOP_TIMEOUT_S)
        load.wait_until_served()
        after = workers(gateway)

    row = trial.judge("10 worker killed", tell)
    assert before[1] in after
    assert before[0] not in after
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(_BACK_S)
    assert _failed(load.steady_attempts()) <= {Failed("GATEWAY_UNAVAILABLE", "unknown")}


def test_10_worker_asked_to_stop(trial: Trial, tell: Callable[[Row], None]) -> None:
    """It drains: no caller notices."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        old = workers(gateway)[0]
        old.terminate()
        trial.fault_is_over()
        wait_for(lambda: not alive(old) and len(workers(gateway)) == 2, "a new worker", timeout_s=_STOP_TIMEOUT_S)
        load.wait_until_served()

    trial.judge("10 worker asked to stop", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked-to-stop"])
def test_10_envoy_ended(trial: Trial, tell: Callable[[Row], None], number: signal.Signals) -> None:
    """Connections break, and nothing else does: the supervisor starts another one."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        before = workers(gateway)
        old = envoy(gateway)
        old.send_signal(number)
        trial.fault_is_over()
        load.wait_until_served()
        assert before == workers(gateway)
        assert old != envoy(gateway)

    row = trial.judge(f"10 Envoy ended by {number.name}", tell)
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(_BACK_S)
    # No answer at all, or that there is no service yet: nothing that a caller could take for more.
    assert _failed(load.steady_attempts()) <= {Failed("GATEWAY_UNAVAILABLE", "no")}


def test_10_gateway_asked_to_stop(trial: Trial, tell: Callable[[Row], None]) -> None:
    """No request that got in fails, on either protocol; then every process is gone and the exit code is 0."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        everyone = family(gateway)
        everyone[0].terminate()
        wait_for(lambda: not gateway.running, "the gateway has ended", timeout_s=_STOP_TIMEOUT_S)
        assert 0 == gateway.stop()
        load.wait_until_each(lambda attempt: bool(attempt.unanswered), 2, "without a connection")

    row = trial.judge("10 gateway asked to stop", tell)
    assert [] == [process for process in everyone if alive(process)]
    # What the system had accepted on a port that was being closed is reset by it: the gateway never saw that.
    assert [] == row.verdict.unanswered
    assert [] == [
        attempt
        for attempt in load.steady_attempts()
        if attempt.failures or not all(unanswered.new_connection for unanswered in attempt.unanswered)
    ]


def test_10_supervisor_killed(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Nobody is left behind, and what was acknowledged stays so."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        everyone = family(gateway)
        everyone[0].kill()
        wait_for(lambda: not any(alive(process) for process in everyone), "nobody is left", timeout_s=_STOP_TIMEOUT_S)
        load.wait_until_each(lambda attempt: bool(attempt.unanswered), 2, "without a connection")

    trial.judge("10 supervisor killed", tell)
    assert set() == _failed(load.steady_attempts())


def test_10_rolling_restart(trial: Trial, tell: Callable[[Row], None]) -> None:
    """SIGHUP replaces every worker, and no request fails."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        old = workers(gateway)
        psutil.Process(gateway.pid).send_signal(signal.SIGHUP)
        trial.fault_is_over()
        wait_for(
            lambda: not any(alive(worker) for worker in old) and len(workers(gateway)) == len(old),
            "new workers",
            timeout_s=60,
        )
        load.wait_until_served()

    trial.judge("10 rolling restart (SIGHUP)", tell)
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]


def test_10_crash_loop_gives_up(trial: Trial) -> None:
    """A worker that keeps dying is not started for ever: the supervisor says so and exits with 1."""
    gateway = trial.start_gateway(workers={"count": 1, "restart_limit": 3})
    killed: set[psutil.Process] = set()

    def killed_again() -> bool:
        for worker in set(workers(gateway)) - killed if gateway.running else ():
            worker.kill()
            killed.add(worker)
        return not gateway.running

    wait_for(killed_again, "the supervisor has given up", timeout_s=_STOP_TIMEOUT_S)
    assert 1 == gateway.stop()
    assert 3 == len(killed)
    assert "failure 3 within 60 s" in " ".join(gateway.log().split())


def test_13_every_worker_down(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Envoy answers for them, and truly: `unknown` for what they had, `no` and at once for what comes later."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        with supervisor_suspended(gateway):
            for worker in workers(gateway):
                worker.kill()
            gateway.wait_until_not_ready()
            known_at = time.monotonic()
            load.wait_until_each(_refused, 3, "refused")
            refused = [attempt for attempt in trial.journal.since(known_at) if attempt.began_at > known_at]
        trial.fault_is_over()
        load.wait_until_served()
        gateway.wait_until_ready()

    row = trial.judge("13 Envoy up while every worker is down", tell)
    assert _failed(load.steady_attempts()) == {
        Failed("GATEWAY_UNAVAILABLE", "unknown"),
        Failed("GATEWAY_UNAVAILABLE", "no"),
    }
    assert {"200", "OK", "503", "UNAVAILABLE"} == {attempt.status for attempt in load.steady_attempts()}
    assert most([attempt.took_s for attempt in refused]) < within_s(0.1)
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(_BACK_S)


def test_13_every_worker_killed_at_once(trial: Trial, tell: Callable[[Row], None]) -> None:
    """New ones take their places as fast as after the death of one."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        for worker in workers(gateway):
            worker.kill()
        trial.fault_is_over()
        load.wait_until_served()

    row = trial.judge("13 every worker killed at once", tell)
    assert {failed.reason for failed in _failed(load.steady_attempts())} <= {"GATEWAY_UNAVAILABLE"}
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(_BACK_S)


def test_13_every_worker_hangs(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Frozen workers are found out: 503 at once for new requests, and replaced without anybody's help."""
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        old = workers(gateway)
        with supervisor_suspended(gateway), trial.callers(gateway) as callers:
            for worker in old:
                worker.suspend()
            gateway.wait_until_not_ready()
            # Readiness and routing have probes of their own, and one may be a little ahead of the other. The callers of
            # the load wait for answers that will not come; those who come once all is known are refused.
            for caller in callers:
                _send_until_refused(trial, caller, topic)
            refused = [trial.send(caller, [trial.record(topic)]) for caller in callers for _ in range(5)]
        wait_for(lambda: not any(alive(worker) for worker in old), "the end of the old workers", timeout_s=60)
        trial.fault_is_over()
        load.wait_until_served()

    row = trial.judge("13 Envoy up while every worker hangs", tell)
    assert {Failed("GATEWAY_UNAVAILABLE", "no")} == _failed(refused)
    assert most([attempt.took_s for attempt in refused]) < within_s(0.1)
    assert {failed.reason for failed in _failed(load.steady_attempts())} <= {
        "GATEWAY_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
    }
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(_BACK_S)


def _send_until_refused(trial: Trial, caller: Caller, topic: str) -> None:
    wait_for(lambda: _refused(trial.send(caller, [trial.record(topic)])), "refused", timeout_s=_STOP_TIMEOUT_S)


def _refused(attempt: Attempt) -> bool:
    return Failed("GATEWAY_UNAVAILABLE", "no") in attempt.outcomes


def _failed(attempts: list[Attempt]) -> set[Failed]:
    return {failure for attempt in attempts for failure in attempt.failures}
