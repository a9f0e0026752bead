"""Free loopback ports."""

from __future__ import annotations

import socket
import sys

__all__ = ["LOOPBACK", "ReservedPort", "free_port"]

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a TCP port that nothing used a moment ago."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class ReservedPort:
    """A TCP port that stays ours while the server that listens on it is stopped and started again.

    A bound socket that never listens keeps the kernel from giving the port to an outgoing connection, and Linux lets a
    server that sets SO_REUSEADDR, as Java's and Rust's do, listen on it all the same. Elsewhere the port is merely free
    at the time of asking.

    Attributes:
        number: the port.
    """

    def __init__(self) -> None:
        """Take a free port."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    def release(self) -> None:
        """Give the port back."""
        self._socket.close()
