"""A worker that is healthy and refuses every request."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Self

from hpack import Decoder

from tests.envoy import http2

__all__ = ["RefusingWorker"]

_HEALTH_CHECK = b"/grpc.health.v1.Health/Check"
_REFUSED_STREAM = 7
_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"


class RefusingWorker:
    """A server on a unix socket that ends every stream but those of health checks with REFUSED_STREAM.

    A context manager. By RFC 9113, 8.7, that code says that the request was not begun.

    Attributes:
        refused: how many streams it has refused.
    """

    def __init__(self, path: Path) -> None:
        """Listen on `path`."""
        self.refused = 0
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)  # left behind by a worker that was killed
        self._listener.bind(str(path))
        self._listener.listen()
        self._accepting = threading.Thread(target=self._accept)
        self._serving: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start serving."""
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        _close(self._listener)
        self._accepting.join(10)
        for connection in self._connections:
            _close(connection)
        for thread in self._serving:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._serving.append(threading.Thread(target=self._serve, args=(connection,)))
                self._serving[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        decoder = Decoder()
        health_checks = set()
        with contextlib.suppress(OSError):
            connection.recv(len(http2.MAGIC), socket.MSG_WAITALL)
            connection.sendall(http2.SETTINGS)
            for frame in http2.frames(connection):
                if frame.kind == http2.Kind.SETTINGS and not frame.flags:
                    connection.sendall(http2.frame(http2.Kind.SETTINGS, 1, 0))
                if (
                    frame.kind == http2.Kind.HEADERS
                    and _HEALTH_CHECK in dict(decoder.decode(frame.payload, raw=True)).values()
                ):
                    health_checks.add(frame.stream)
                if frame.ends_stream and frame.kind != http2.Kind.RST_STREAM:
                    answer = self._say_serving if frame.stream in health_checks else self._refuse
                    answer(connection, frame.stream)

    def _say_serving(self, connection: socket.socket, stream: int) -> None:
        headers = http2.headers_frames(
            stream, [(b":status", b"200"), (b"content-type", b"application/grpc")], ends_stream=False
        )
        trailers = http2.headers_frames(stream, [(b"grpc-status", b"0")])
        connection.sendall(headers + http2.frame(http2.Kind.DATA, 0, stream, _SERVING) + trailers)

    def _refuse(self, connection: socket.socket, stream: int) -> None:
        self.refused += 1
        connection.sendall(http2.rst_stream(stream, _REFUSED_STREAM))


def _close(end: socket.socket) -> None:
    # On Linux, closing alone does not wake who waits in accept or recv.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
