"""The check that a port is free."""

from __future__ import annotations

import socket

import pytest

from tests.brokers.ports import LOOPBACK, free_port
from twinpost_server.supervisor.errors import PortUnavailableError
from twinpost_server.supervisor.listening_port import require_free_port


def test_free_port_is_still_free_after_the_check() -> None:
    """The check keeps nothing."""
    port = free_port()
    require_free_port(LOOPBACK, port, setting="listen.port")
    with socket.create_server((LOOPBACK, port)):
        pass


@pytest.mark.parametrize("shares", [False, True])
def test_taken_port_is_refused_with_the_setting_to_change(shares: bool) -> None:  # noqa: FBT001 - a column of the table
    """A port that another process listens on is refused, also where that process would share it."""
    with socket.create_server((LOOPBACK, 0), reuse_port=shares) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortUnavailableError) as refused:
            require_free_port(LOOPBACK, port, setting="listen.port")
    assert (LOOPBACK, port) == (refused.value.host, refused.value.port)
    advice = "stop it, or choose another port with listen.port"
    told = f"cannot listen on 127.0.0.1:{port}: another process listens there; {advice}"
    assert told == str(refused.value)


def test_connections_that_linger_do_not_hinder() -> None:
    """A gateway may be started again at once: TIME_WAIT is no listener."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection((LOOPBACK, port))
        accepted, _ = listener.accept()
        accepted.close()  # the side that closes first is the one that lingers
        client.close()
    require_free_port(LOOPBACK, port, setting="listen.port")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_address_of_another_machine_is_refused(host: str) -> None:
    """Listening is possible on this machine's own addresses only."""
    with pytest.raises(PortUnavailableError, match="of this machine"):
        require_free_port(host, free_port(), setting="listen.port")
