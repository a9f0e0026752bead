"""The client of Envoy's admin interface."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.envoy.front import Front, eventually, read_response
from twinpost_server.envoy.admin import (
    LASTING_CLUSTER,
    READY_CLUSTER,
    ROUTING_CLUSTER,
    AdminUnreachable,
    EnvoyAdmin,
    EnvoyPulse,
)


@pytest.fixture
def leaving_front() -> Iterator[Front]:
    """An Envoy of the test's own, with a worker."""
    with Front.started() as front, front.worker():
        yield front


def test_only_the_owner_may_open_the_socket(front: Front) -> None:
    """Whoever reaches it may stop Envoy."""
    assert 0o600 == stat.S_IMODE(front.admin_socket.stat().st_mode)


async def test_it_knows_whether_envoy_has_started(front: Front, tmp_path: Path) -> None:
    """Where nothing answers, it has not."""
    assert await EnvoyAdmin(front.admin_socket).is_live()
    assert not await EnvoyAdmin(tmp_path / "admin.sock").is_live()


async def test_a_draining_envoy_has_a_pulse(leaving_front: Front) -> None:
    """It is no longer live in Envoy's words, and must not be taken for one that hangs."""
    admin = EnvoyAdmin(leaving_front.admin_socket)
    await admin.drain()
    pulse = EnvoyPulse(leaving_front.admin_socket, timeout_s=5)
    assert [False, True, True] == [await admin.is_live(), await pulse.beats(), await pulse.beats()]


async def test_what_cannot_be_asked_is_not_called_dead(tmp_path: Path) -> None:
    """Nobody is there: whether its process lives is for others to see."""
    assert await EnvoyPulse(tmp_path / "admin.sock", timeout_s=5).beats()


async def test_what_does_not_answer_has_no_pulse(tmp_path: Path) -> None:
    """A connection is taken, and nothing said; not even where the next question comes over a new one."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "admin.sock"))
        silent.listen()
        pulse = EnvoyPulse(tmp_path / "admin.sock", timeout_s=0.1)
        assert [False, False] == [await pulse.beats(), await pulse.beats()]


async def test_it_knows_the_health_of_every_slot(front: Front) -> None:
    """Of both clusters: the worker is healthy, the spare slot is empty."""
    worker, spare = front.worker_socket(0), front.worker_socket(1)

    assert {
        ROUTING_CLUSTER: {worker: True, spare: False},
        LASTING_CLUSTER: {worker: True, spare: False},
        READY_CLUSTER: {worker: True, spare: False},
    } == await EnvoyAdmin(front.admin_socket).host_health()


async def test_it_counts_the_requests_under_way(front: Front) -> None:
    """Not its own question."""
    admin = EnvoyAdmin(front.admin_socket)
    assert 0 == await admin.active_requests()
    with front.connect() as connection:
        connection.sendall(b"GET /produce/t?stub=hang HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.to_thread(eventually, lambda: 1 == front.stat("http.public.downstream_rq_active"))
        assert 1 == await admin.active_requests()


async def test_a_draining_envoy_answers_all_and_asks_callers_to_leave(leaving_front: Front) -> None:
    """Not ready, but alive; open connections are closed with their next answer."""
    with leaving_front.connect() as opened, leaving_front.connect() as slow:
        slow.sendall(b"GET /produce/t?stub=hang:0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        await EnvoyAdmin(leaving_front.admin_socket).drain()

        assert (503, 200) == (leaving_front.send(b"/readyz").status, leaving_front.send(b"/livez").status)
        opened.sendall(b"GET /produce/t HTTP/1.1\r\nHost: x\r\n\r\n")
        response = read_response(opened)
        assert (200, "close") == (response.status, response.headers["connection"])
        assert 200 == read_response(slow).status


async def test_an_envoy_that_stopped_listening_still_answers(leaving_front: Front) -> None:
    """New connections are refused, requests under way are not cut off."""
    with leaving_front.connect() as slow:
        slow.sendall(b"GET /produce/t?stub=hang:0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: 1 == leaving_front.stat("http.public.downstream_rq_active"))
        await EnvoyAdmin(leaving_front.admin_socket).stop_listening()

        with pytest.raises(ConnectionRefusedError):
            leaving_front.connect()
        assert 200 == read_response(slow).status


async def test_without_envoy_it_says_what_it_asked(tmp_path: Path) -> None:
    """As an error of its own type."""
    with pytest.raises(AdminUnreachable) as unreachable:
        await EnvoyAdmin(tmp_path / "admin.sock").drain()

    assert "/healthcheck/fail" == unreachable.value.path


async def test_an_answer_that_is_no_success_is_an_error(front: Front) -> None:
    """Another program on the socket, or another version of Envoy."""
    with pytest.raises(AdminUnreachable, match="404"):
        await EnvoyAdmin(front.admin_socket)._ask("GET", "/no-such-question")  # noqa: SLF001 - nothing public fails so
