"""Passwords that change and rights that are withdrawn while the gateway runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.faults.bounds import within_s
from tests.faults.fault_cluster import GATEWAY_PASSWORD
from tests.faults.journal import Failed
from tests.faults.processes import workers
from tests.faults.table import Row
from tests.faults.trial import Trial
from tests.gateway.users import MYUSER


def test_11_cluster_password_changed(trial: Trial, tell: Callable[[Row], None]) -> None:
    """The gateway's own credentials are no longer taken: 503 that says so; well again once they are, by itself."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        family = workers(gateway)
        try:
            cluster.set_password("another")
            for link in cluster.links.values():
                link.reset()
            load.wait_until_each(
                lambda attempt: Failed("BROKER_AUTHENTICATION_FAILED", "no") in attempt.outcomes, 3, "told so"
            )
            gateway.wait_until_not_ready()
        finally:
            cluster.set_password(GATEWAY_PASSWORD)
        trial.fault_is_over()
        load.wait_until_served()
        gateway.wait_until_ready()
        assert family == workers(gateway)

    row = trial.judge("11 cluster password changed", tell)
    failed = [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    # At first all that is known is that every broker hangs up.
    reasons = {failure.reason for attempt in failed for failure in attempt.failures}
    assert {"BROKER_AUTHENTICATION_FAILED"} <= reasons <= {"BROKER_AUTHENTICATION_FAILED", "BROKERS_UNAVAILABLE"}
    # A request of which some records were acknowledged just in time is OK on gRPC.
    assert {"503", "UNAVAILABLE"} <= {attempt.status for attempt in failed} <= {"503", "UNAVAILABLE", "OK"}
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(5)


def test_11_cluster_right_withdrawn(trial: Trial, tell: Callable[[Row], None]) -> None:
    """403 for that topic alone, and served again once the right is back."""
    cluster = trial.cluster
    gateway = trial.start_gateway()
    topic, other = trial.create_topic(), trial.create_topic()
    with trial.load_beside(gateway, other, callers=4) as unaffected, trial.load(gateway, topic, callers=4) as load:
        with cluster.writing_denied(topic):
            load.wait_until_each(lambda attempt: Failed("TOPIC_FORBIDDEN", "no") in attempt.outcomes, 3, "told so")
        trial.fault_is_over()
        load.wait_until_served()

    trial.judge("11 cluster right withdrawn", tell)
    failed = [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    assert {"403", "PERMISSION_DENIED"} == {attempt.status for attempt in failed}
    assert [] == [attempt for attempt in unaffected.steady_attempts() if not attempt.acknowledged]


def test_11_callers_password_and_right_changed(trial: Trial, tell: Callable[[Row], None], gateway_files: Path) -> None:
    """The users file counts as it is: 401 and 403 soon after the change, and nothing is to be restarted."""
    users = Path(shutil.copy(gateway_files / "users.toml", trial.directory))
    gateway = trial.start_gateway(auth={"users_file": str(users)})
    topic = trial.create_topic()
    with trial.load(gateway, topic) as load:
        _change(users, "--topic", "other", "--keep-password")
        load.wait_until_each(lambda attempt: Failed("TOPIC_FORBIDDEN", "no") in attempt.outcomes, 3, "forbidden")
        _change(users, "--topic", "*", password="another")  # noqa: S106 - of a gateway that lives as long as the test
        load.wait_until_each(lambda attempt: Failed("UNAUTHENTICATED", "no") in attempt.outcomes, 3, "not let in")
        _change(users, password=MYUSER.password)
        trial.fault_is_over()
        load.wait_until_served()

    row = trial.judge("11 caller's password and right changed", tell)
    failed = [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    assert {"401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED"} == {attempt.status for attempt in failed}
    assert row.recovery_s is not None
    assert row.recovery_s < within_s(5)


def _change(users: Path, *flags: str, password: str = "") -> None:
    """Change `myuser` as an operator does."""
    subprocess.run(
        [sys.executable, "-m", "twinpost_server", "user", "add", "--replace", "--file", users, *flags, MYUSER.name],
        input=f"{password}\n",
        encoding="utf-8",
        check=True,
        capture_output=True,
        timeout=30,
    )
