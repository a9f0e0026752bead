"""HTTP/2 by hand, for what no client library sends (RFC 9113; RFC 7541 without compression)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = [
    "MAGIC",
    "PREFACE",
    "SETTINGS",
    "Frame",
    "Kind",
    "body",
    "exchange",
    "frame",
    "frames",
    "get",
    "headers_frames",
    "post",
    "rst_stream",
]

_FRAME_BYTES_MAX = 16_384
_END_STREAM = 0x1
_END_HEADERS = 0x4
_SEVEN_BITS = 0x7F


class Kind:
    """Types of frames."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Frame(NamedTuple):
    """A frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends_stream(self) -> bool:
        """Whether the sender says no more on this stream."""
        return self.kind == Kind.RST_STREAM or (
            self.kind in {Kind.DATA, Kind.HEADERS} and bool(self.flags & _END_STREAM)
        )


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first."""

SETTINGS = frame(Kind.SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1)) + frame(
    Kind.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)
)
"""Windows so wide that flow control never matters: SETTINGS_INITIAL_WINDOW_SIZE, and the connection's own."""

PREFACE = MAGIC + SETTINGS


def headers_frames(stream: int, headers: Sequence[tuple[bytes, bytes]], *, ends_stream: bool = True) -> bytes:
    """Return HEADERS and as many CONTINUATION frames as it takes, every header a literal."""
    block = b"".join(b"\x00" + _string(name) + _string(value) for name, value in headers)
    pieces = [block[start : start + _FRAME_BYTES_MAX] for start in range(0, len(block), _FRAME_BYTES_MAX)]
    return b"".join(
        frame(
            Kind.CONTINUATION if index else Kind.HEADERS,
            (_END_HEADERS if index == len(pieces) - 1 else 0) | (_END_STREAM if ends_stream and not index else 0),
            stream,
            piece,
        )
        for index, piece in enumerate(pieces)
    )


def get(path: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a GET."""
    return [(b":method", b"GET"), (b":scheme", b"http"), (b":path", path), (b":authority", b"test"), *more]


def post(path: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a POST."""
    return [(b":method", b"POST"), *get(path, *more)[1:]]


def rst_stream(stream: int, code: int) -> bytes:
    """Return the frame that gives a stream up."""
    return frame(Kind.RST_STREAM, 0, stream, struct.pack(">I", code))


def frames(connection: socket.socket) -> Iterator[Frame]:
    """Yield the frames that come, until the other side closes.

    Raises:
        OSError: it resets the connection, or says nothing for as long as the socket's time-out.
    """
    with connection.makefile("rb") as stream:
        while len(head := stream.read(9)) == 9:
            length, kind, flags, number = int.from_bytes(head[:3], "big"), head[3], head[4], head[5:]
            yield Frame(kind, flags, int.from_bytes(number, "big"), stream.read(length))


def exchange(connection: socket.socket, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> list[Frame]:
    """Send one request over a new connection, and return all frames up to the end of its answer."""
    request = headers_frames(1, headers, ends_stream=not body)
    connection.sendall(PREFACE + request + (frame(Kind.DATA, _END_STREAM, 1, body) if body else b""))
    answer = []
    for received in frames(connection):
        answer.append(received)
        if received.stream == 1 and received.ends_stream:
            break
    return answer


def body(answer: Sequence[Frame]) -> bytes:
    """Return the body that the frames of an answer carry."""
    return b"".join(received.payload for received in answer if received.kind == Kind.DATA)


def _string(data: bytes) -> bytes:
    """Return a string literal: its length as an integer with a prefix of seven bits (RFC 7541, 5.1), and itself."""
    length = len(data)
    if length < _SEVEN_BITS:
        return bytes([length]) + data
    prefix, length = bytearray([_SEVEN_BITS]), length - _SEVEN_BITS
    while length > _SEVEN_BITS:
        prefix.append(length & _SEVEN_BITS | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + data
