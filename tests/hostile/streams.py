"""HTTP/2 by hand: frames as given, and what becomes of each stream."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message

import hpack

from tests.envoy.http2 import PREFACE, Frame, Kind, frame, frames, headers_frames
from tests.gateway.rest import RestResponse
from tests.gateway.users import MYUSER
from tests.hostile.besieged import Besieged

__all__ = [
    "AUTHORIZATION",
    "PRODUCE",
    "Connection",
    "StreamEnd",
    "as_response",
    "call",
    "grpc_headers",
    "message",
    "send",
]

AUTHORIZATION = (b"authorization", MYUSER.authorization.encode())
PRODUCE = b"/twinpost.v1.ProducerService/Produce"

_DATA_BYTES_MAX = 16_384
_END_STREAM = 0x1

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class StreamEnd:
    """What came on a stream.

    Attributes:
        headers: those of the answer and its trailers, together.
        body: the data.
        reset: the error code it was reset with; `None` where it was not.
        ended: whether the gateway has ended it, in whatever way.
    """

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    ended: bool = False

    @property
    def status(self) -> int:
        """The HTTP status, 0 where no headers came."""
        return int(self.headers.get(":status", 0))

    @property
    def grpc_status(self) -> int | None:
        """The status of a gRPC call that has one."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None


@dataclass(slots=True)
class Connection:
    """What came back over one connection.

    Attributes:
        streams: by number.
        frames: how many frames came.
        closed: whether the gateway closed, or reset, the connection.
        took_s: until the last frame, or the close.
    """

    streams: dict[int, StreamEnd]
    frames: int = 0
    closed: bool = False
    took_s: float = 0


def send(besieged: Besieged, data: bytes, *, until: Sequence[int] = (1,), wait_s: float = 10) -> Connection:
    """Send the preface and `data` over a new connection, and return what comes back.

    Args:
        besieged: the gateway.
        data: frames.
        until: the streams whose end to wait for; none waits for the connection's.
        wait_s: how long to wait for each frame.

    Raises:
        TimeoutError: neither came.
    """
    began = time.monotonic()
    answer = Connection({})
    decoder = hpack.Decoder()
    with besieged.connect() as connection:
        connection.settimeout(wait_s)
        # What ends the connection ends it while this is still being sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(PREFACE + data)
        try:
            for received in frames(connection):
                answer.frames += 1
                _note(answer, received, decoder)
                if until and all(stream in answer.streams and answer.streams[stream].ended for stream in until):
                    break
            else:
                answer.closed = True
        except ConnectionResetError:
            answer.closed = True
    answer.took_s = time.monotonic() - began
    return answer


def message(data: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """Return a gRPC message (length-prefixed), whose flag and length may be wrong."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


def grpc_headers(path: bytes = PRODUCE, *more: tuple[bytes, bytes], method: bytes = b"POST") -> Headers:
    """Return the headers of a call, with the credentials of a known user."""
    return [
        (b":method", method),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"test"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        AUTHORIZATION,
        *more,
    ]


def call(headers: Headers, data: bytes | None, *, stream: int = 1, ends: bool = True) -> bytes:
    """Return the frames of a request with the body `data`; `None` ends it with its headers."""
    if data is None:
        return headers_frames(stream, headers, ends_stream=ends)
    pieces = [data[start : start + _DATA_BYTES_MAX] for start in range(0, len(data), _DATA_BYTES_MAX)] or [b""]
    last = len(pieces) - 1
    return headers_frames(stream, headers, ends_stream=False) + b"".join(
        frame(Kind.DATA, _END_STREAM if ends and index == last else 0, stream, piece)
        for index, piece in enumerate(pieces)
    )


def as_response(end: StreamEnd) -> RestResponse:
    """Return what came on the stream of a REST request as a response."""
    headers = Message()
    for name, value in end.headers.items():
        if not name.startswith(":"):
            headers[name] = value
    return RestResponse(end.status, headers, end.body)


def _note(answer: Connection, received: Frame, decoder: hpack.Decoder) -> None:
    if received.kind == Kind.GOAWAY:
        return
    if not received.stream:
        return
    stream = answer.streams.setdefault(received.stream, StreamEnd())
    if received.kind == Kind.HEADERS:
        stream.headers |= {str(name): str(value) for name, value in decoder.decode(received.payload)}
    elif received.kind == Kind.DATA:
        stream.body += received.payload
    elif received.kind == Kind.RST_STREAM:
        stream.reset = int.from_bytes(received.payload, "big")
    stream.ended = stream.ended or received.ends_stream
