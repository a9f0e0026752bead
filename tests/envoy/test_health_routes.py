"""/livez and /readyz."""

from __future__ import annotations

import pytest

from tests.envoy.errors import assert_error
from tests.envoy.front import Front, eventually
from twinpost_server.core.errors import Delivered, Reason


@pytest.mark.parametrize(("target", "status"), [(b"/livez", "alive"), (b"/readyz", "ready"), (b"/readyz?x=1", "ready")])
def test_a_healthy_gateway_says_so_in_json(front: Front, target: bytes, status: str) -> None:
    """Without credentials, and without a word of Envoy's."""
    response = front.send(target)

    assert (200, {"status": status}) == (response.status, response.json())
    assert not [name for name in response.headers if name.lower().startswith("x-envoy")]


def test_readiness_follows_the_brokers_while_requests_still_reach_the_worker() -> None:
    """A worker without brokers is not ready, but its own 503 says more than Envoy's could."""
    with Front.started() as front, front.worker() as worker:
        assert 200 == front.send(b"/readyz").status

        worker.set_health("twinpost.v1.ProducerService", serving=False)
        eventually(lambda: 503 == front.send(b"/readyz").status)
        assert_error(front.send(b"/readyz"), 503, Reason.GATEWAY_UNAVAILABLE, Delivered.NO)
        assert (200, 200) == (front.send(b"/livez").status, front.send(b"/produce/t").status)

        worker.set_health("twinpost.v1.ProducerService", serving=True)
        eventually(lambda: 200 == front.send(b"/readyz").status)


def test_a_worker_that_gets_no_requests_yet_makes_nothing_ready() -> None:
    """Envoy asks in its own time whether a worker can produce and whether it takes requests: both must be known."""
    with Front.started() as front, front.worker() as worker:
        assert 200 == front.send(b"/readyz").status

        worker.set_health("twinpost.routing", serving=False)
        eventually(lambda: 503 == front.send(b"/readyz").status)
        assert (503, 200) == (front.send(b"/produce/t").status, front.send(b"/livez").status)

        worker.set_health("twinpost.routing", serving=True)
        eventually(lambda: 200 == front.send(b"/readyz").status)
        assert 200 == front.send(b"/produce/t").status


def test_without_any_worker_the_gateway_is_alive_and_not_ready() -> None:
    """Envoy is up, and nothing else."""
    with Front.started() as front:
        assert 200 == front.send(b"/livez").status
        assert_error(front.send(b"/readyz"), 503, Reason.GATEWAY_UNAVAILABLE, Delivered.NO)


def test_one_ready_worker_of_many_slots_is_enough() -> None:
    """Up to 99 workers: Envoy counts in whole percents of all slots."""
    with Front.started(workers=99) as front, front.worker(57):
        eventually(lambda: 200 == front.send(b"/readyz").status)
