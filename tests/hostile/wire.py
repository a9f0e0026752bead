"""HTTP/1.1 by hand: every byte as given, and whatever comes back."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from dataclasses import dataclass
from http.client import parse_headers
from typing import Any

from tests.conformance.doors import checked_error
from tests.gateway.rest import RestResponse
from tests.gateway.users import MYUSER
from tests.hostile.besieged import Besieged

__all__ = ["AUTHORIZATION", "LEAKS", "Exchange", "assert_refused", "exchange", "request"]

AUTHORIZATION = f"Authorization: {MYUSER.authorization}".encode()

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEAD_END = b"\r\n\r\n"

LEAKS = ("twinpost.v1", ".sock", "upstream", "traceback", "envoy", "protobuf", "127.0.0.1", "librdkafka")
"""What only the inside knows."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back over one connection.

    Attributes:
        responses: the final ones, in order; 100 (Continue) is left out.
        continued: whether 100 (Continue) came.
        closed: whether the gateway closed, or reset, the connection.
        took_s: until the last byte, or the close.
    """

    responses: list[RestResponse]
    continued: bool
    closed: bool
    took_s: float


def request(
    target: bytes, *lines: bytes, method: bytes = b"POST", body: bytes | None = None, version: bytes = b"HTTP/1.1"
) -> bytes:
    """Return a request of a known user: `lines` are its further header lines; `body` brings its Content-Length."""
    head = [b"%s %s %s" % (method, target, version), b"Host: test", AUTHORIZATION, *lines]
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, b"", body or b""])


def exchange(
    besieged: Besieged, data: bytes, *, responses: int = 1, ends: bool = False, wait_s: float = 10
) -> Exchange:
    """Send `data` over a connection of its own and return what comes back.

    Args:
        besieged: the gateway.
        data: what to send.
        responses: how many to wait for; fewer come back where the gateway closes first.
        ends: whether to say, after `data`, that no more will come.
        wait_s: how long to wait for each piece.

    Raises:
        TimeoutError: the gateway neither answered nor closed.
    """
    began = time.monotonic()
    received = b""
    closed = False
    with besieged.connect() as connection:
        connection.settimeout(wait_s)
        # A request that is refused early may have its answer before it is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        while len(_parsed(received, data)[0]) < responses:
            try:
                piece = connection.recv(65_536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                closed = True
                break
            received += piece
    answers, continued = _parsed(received, data)
    return Exchange(answers, continued, closed, time.monotonic() - began)


def assert_refused(response: RestResponse, *statuses: int) -> dict[str, Any]:
    """Assert that `response` is a refusal with one of `statuses`, honest and in the one shape; return its error."""
    assert response.status in statuses, (response.status, response.body)
    error = checked_error(response)
    text = response.body.decode().lower()
    assert [] == [word for word in LEAKS if word in text], text
    assert {"delivered": "no"} == {"delivered": error["delivered"]}
    if response.status in {429, 503}:
        assert int(response.headers["retry-after"]) >= 1
    for name, value in response.headers.items():
        assert name.isprintable(), name
        assert value.isprintable(), value
    return error


def _parsed(received: bytes, sent: bytes) -> tuple[list[RestResponse], bool]:
    """Return the whole responses in `received`, and whether there was a 100 (Continue)."""
    continued = received.startswith(_CONTINUE)
    rest = received.removeprefix(_CONTINUE)
    responses = []
    while _HEAD_END in rest:
        head, _, rest = rest.partition(_HEAD_END)
        status_line, _, fields = head.partition(b"\r\n")
        headers = parse_headers(io.BytesIO(fields + _HEAD_END))
        length = 0 if sent.startswith(b"HEAD ") else int(headers["content-length"])
        if len(rest) < length:
            break
        responses.append(RestResponse(int(status_line.split()[1]), headers, rest[:length]))
        rest = rest[length:]
    return responses, continued
