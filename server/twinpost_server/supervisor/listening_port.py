"""The check that a port is free, before a process is started that needs it."""

from __future__ import annotations

import errno
import socket

from twinpost_server.supervisor.errors import PortUnavailableError

__all__ = ["require_free_port"]


def require_free_port(host: str, port: int, *, setting: str) -> None:
    """Return if `host:port` can be listened on; the port is free again when this returns.

    Without it Envoy would say so, in its own words and after everything else was started. The probe does not share the
    port (SO_REUSEPORT), so it also finds a listener that would.

    Args:
        host: an address, or a name that resolves to one.
        port: the TCP port.
        setting: what the operator changes to choose another port, for the message.

    Raises:
        PortUnavailableError: it is taken, needs privileges, or the address is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # Connections of a gateway that just ended linger in TIME_WAIT; they do not hinder Envoy, nor this.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        problem = f"{host!r} is not an address of this machine; use 127.0.0.1, or 0.0.0.0 for every interface"
        raise PortUnavailableError(host, port, problem) from error
    except OSError as error:
        raise PortUnavailableError(host, port, _problem(error, setting)) from error


def _problem(error: OSError, setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another process listens there; stop it, or choose another port with {setting}"
        case errno.EACCES:
            return (
                f"ports below 1024 need privileges (CAP_NET_BIND_SERVICE); grant them, or choose another with {setting}"
            )
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has that address; use 127.0.0.1, or 0.0.0.0 for every interface"
        case _:
            return f"{error.strerror or error}; choose another address or another port with {setting}"
