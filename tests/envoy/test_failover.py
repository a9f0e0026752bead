"""Workers that end, refuse, drain and come back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.envoy.errors import assert_error
from tests.envoy.front import Front, eventually
from tests.envoy.refusing_worker import RefusingWorker
from twinpost_server.core.errors import Delivered, Reason

_PRODUCE = "/twinpost.v1.ProducerService/Produce"


@pytest.fixture(scope="module")
def pair_front() -> Iterator[Front]:
    """Envoy for two workers, none of which runs."""
    with Front.started(workers=2) as front:
        yield front


def test_without_a_worker_a_request_was_not_sent(pair_front: Front) -> None:
    """On both protocols."""
    assert_error(pair_front.send(b"/produce/t"), 503, Reason.GATEWAY_UNAVAILABLE, Delivered.NO)
    end = pair_front.call(_PRODUCE)
    assert (grpc.StatusCode.UNAVAILABLE, "no") == (end.code, end.error_info.metadata["delivered"])


def test_the_spare_slot_takes_requests(pair_front: Front) -> None:
    """Two workers have three slots: a new worker serves before an old one leaves."""
    with pair_front.worker(2) as spare:
        assert spare.pid == pair_front.send(b"/produce/t").json()["pid"]


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_a_request_whose_worker_ends_is_unknown_and_not_sent_again(pair_front: Front, protocol: str) -> None:
    """It may have been written, so the other worker must not have it too."""
    with pair_front.worker(0) as first, pair_front.worker(1) as second:
        if protocol == "rest":
            response = pair_front.send(b"/produce/t?stub=die")
            assert_error(response, 503, Reason.GATEWAY_UNAVAILABLE, Delivered.UNKNOWN)
        else:
            end = pair_front.call(_PRODUCE, metadata=(("stub", "die"),))
            assert (grpc.StatusCode.UNAVAILABLE, "unknown") == (end.code, end.error_info.metadata["delivered"])
        # Who is told to die does so before it could answer.
        eventually(lambda: not (first.running and second.running))
        assert first.running or second.running


def test_a_request_that_finds_its_worker_gone_goes_to_another(pair_front: Front) -> None:
    """While the health check has not noticed yet."""
    with pair_front.worker(0) as first, pair_front.worker(1):
        connections = pair_front.stat("cluster.twinpost.upstream_cx_active")
        first.kill()
        eventually(lambda: pair_front.stat("cluster.twinpost.upstream_cx_active") < connections)
        assert pair_front.stat("cluster.twinpost.membership_healthy") >= 2

        assert {200} == {pair_front.send(b"/produce/t").status for _ in range(20)}


def test_a_refused_request_goes_to_another_worker(pair_front: Front) -> None:
    """REFUSED_STREAM says that it was not begun."""
    with RefusingWorker(pair_front.worker_socket(0)) as refusing, pair_front.worker(1):
        eventually(lambda: 2 == pair_front.stat("cluster.twinpost.membership_healthy"))

        assert {200} == {pair_front.send(b"/produce/t").status for _ in range(6)}
        assert refusing.refused >= 1


def test_a_request_that_all_refuse_was_not_sent() -> None:
    """Safe to send again, and said so."""
    with Front.started() as front, RefusingWorker(front.worker_socket(0)):
        eventually(lambda: 200 == front.send(b"/readyz").status)

        assert_error(front.send(b"/produce/t"), 503, Reason.GATEWAY_UNAVAILABLE, Delivered.NO)


def test_a_draining_worker_answers_what_it_has_and_gets_no_more(pair_front: Front) -> None:
    """From when it says so on `twinpost.routing`, and before its grace period of a second is over."""
    with pair_front.worker(0) as leaving, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(pair_front.send, b"/produce/t?stub=hang:1.5")
        eventually(lambda: 1 == pair_front.stat("cluster.twinpost.upstream_rq_active"))
        with pair_front.worker(1) as staying:
            leaving.set_health("twinpost.routing", serving=False)
            eventually(
                lambda: {staying.pid} == {pair_front.send(b"/produce/t").json()["pid"] for _ in range(6)}, timeout_s=1
            )
            assert (200, leaving.pid) == (slow.result(10).status, slow.result().json()["pid"])
