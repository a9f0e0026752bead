"""The body of a REST request, inflated where it came compressed."""

from __future__ import annotations

import zlib
from typing import Final

from twinpost_server.core.errors import Failure, Reason, RequestFailed, Violation

__all__ = ["inflated", "told_bytes"]

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's header and trailer (zlib.h, inflateInit2)."""

_MEMBERS_MAX: Final = 16
"""Members of one body: each one costs a copy of what follows it."""

_NOT_GZIP: Final = "it is not gzip although Content-Encoding says so, or it is cut short"


def inflated(body: bytes, encoding: str | None, *, bytes_max: int) -> bytes:
    """Return `body` without its Content-Encoding. Blocks for as long as inflating `bytes_max` bytes takes.

    Args:
        body: as it came.
        encoding: the Content-Encoding header's value, or `None`; RFC 9110, 8.4.
        bytes_max: the most bytes to inflate to; a bomb costs no more than this.

    Raises:
        RequestFailed: UNSUPPORTED_ENCODING, REQUEST_TOO_LARGE, or MALFORMED_REQUEST for damaged gzip.
    """
    if encoding is None or encoding.strip().lower() in {"", "identity"}:
        return body
    if encoding.strip().lower() not in {"gzip", "x-gzip"}:
        shown = encoding[:40]
        raise RequestFailed(
            Failure(
                reason=Reason.UNSUPPORTED_ENCODING,
                message=f"Content-Encoding '{shown}' is not supported: send gzip, or no encoding; nothing was written",
            )
        )
    pieces: list[bytes] = []
    room = bytes_max
    rest = body
    # A gzip body may be several members one after another (RFC 1952, 2.2).
    while rest or not pieces:
        if len(pieces) == _MEMBERS_MAX:
            raise RequestFailed(_damaged(f"it is made of more than {_MEMBERS_MAX} gzip members: send one"))
        inflater = zlib.decompressobj(wbits=_GZIP_WBITS)
        try:
            piece = inflater.decompress(rest, room + 1)
        except zlib.error:
            raise RequestFailed(_damaged(_NOT_GZIP)) from None
        room -= len(piece)
        if room < 0:
            raise RequestFailed(
                Failure(
                    reason=Reason.REQUEST_TOO_LARGE,
                    message=(
                        f"the body inflates to more than the limit of {bytes_max} bytes (limits.body_bytes_max): "
                        "split it; nothing was written"
                    ),
                )
            )
        if not inflater.eof:
            raise RequestFailed(_damaged(_NOT_GZIP))
        pieces.append(piece)
        rest = inflater.unused_data
    return b"".join(pieces)


def told_bytes(body: bytes) -> int:
    """Return what the gzip `body` says of its last member's size, inflated, in bytes (RFC 1952, 2.3.1: ISIZE).

    Who lies here is found out by inflating; the only member of an honest body is the last.
    """
    return int.from_bytes(body[-4:], "little")


def _damaged(problem: str) -> Failure:
    return Failure(
        reason=Reason.MALFORMED_REQUEST,
        message=f"the body cannot be inflated: {problem}; nothing was written",
        violations=(Violation("body", problem),),
    )
