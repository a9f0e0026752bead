"""The body of a REST request, inflated where it came compressed."""

from __future__ import annotations

import zlib
from typing import Final

from twinpost_server.core.errors import Failure, Reason, RequestFailed, Violation

__all__ = ["inflated", "is_gzip", "told_bytes"]

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's header and trailer (zlib.h, inflateInit2)."""

_MEMBERS_MAX: Final = 20_000
"""Members of one body: more than bgzip makes of the largest that `limits.body_bytes_max` can allow, 1 GiB in pieces of
64 KiB. Each takes microseconds to begin, also an empty one, of which a body could hold a million."""

_SLICE_BYTES: Final = 16 * 1024
"""A body is inflated in slices: where a member ends, zlib's binding copies what is behind it."""

_NOT_GZIP: Final = "it is not gzip although Content-Encoding says so, or it is cut short"


def is_gzip(encoding: str) -> bool:
    """Return whether a body is compressed, as `encoding`, its Content-Encoding, says (RFC 9110, 8.4).

    Raises:
        RequestFailed: UNSUPPORTED_ENCODING.
    """
    if encoding.strip().lower() in {"", "identity"}:
        return False
    if encoding.strip().lower() not in {"gzip", "x-gzip"}:
        shown = encoding[:40]
        raise RequestFailed(
            Failure(
                reason=Reason.UNSUPPORTED_ENCODING,
                message=f"Content-Encoding '{shown}' is not supported: send gzip, or no encoding; nothing was written",
            )
        )
    return True


def inflated(body: bytes, *, bytes_max: int) -> bytes:
    """Return the gzip `body` inflated. Blocks for as long as inflating `bytes_max` bytes takes.

    Args:
        body: as it came.
        bytes_max: the most bytes to inflate to; a bomb costs no more than this.

    Raises:
        RequestFailed: REQUEST_TOO_LARGE, or MALFORMED_REQUEST for damaged gzip.
    """
    pieces: list[bytes] = []
    room = bytes_max
    members = 0
    inflater = None
    for start in range(0, len(body), _SLICE_BYTES):
        rest = body[start : start + _SLICE_BYTES]
        # A gzip body may be several members one after another (RFC 1952, 2.2).
        while rest:
            if inflater is None:
                members += 1
                if members > _MEMBERS_MAX:
                    raise RequestFailed(_damaged(f"it is made of more than {_MEMBERS_MAX} gzip members: send fewer"))
                inflater = zlib.decompressobj(wbits=_GZIP_WBITS)
            try:
                piece = inflater.decompress(rest, room + 1)
            except zlib.error:
                raise RequestFailed(_damaged(_NOT_GZIP)) from None
            room -= len(piece)
            if room < 0:
                raise RequestFailed(_too_large(len(body), bytes_max))
            pieces.append(piece)
            rest = inflater.unused_data
            if inflater.eof:
                inflater = None
    if inflater is not None or not members:
        raise RequestFailed(_damaged(_NOT_GZIP))
    return b"".join(pieces)


def told_bytes(body: bytes) -> int:
    """Return what the gzip `body` says of its last member's size, inflated, in bytes (RFC 1952, 2.3.1: ISIZE).

    A body of several members tells less than it holds; inflating finds that out, and who lies.
    """
    return int.from_bytes(body[-4:], "little")


def _too_large(size_bytes: int, bytes_max: int) -> Failure:
    return Failure(
        reason=Reason.REQUEST_TOO_LARGE,
        message=(
            f"{size_bytes} bytes of gzip inflate to more than the limit of {bytes_max} bytes (limits.body_bytes_max): "
            "split the request; nothing was written"
        ),
    )


def _damaged(problem: str) -> Failure:
    return Failure(
        reason=Reason.MALFORMED_REQUEST,
        message=f"the body cannot be inflated: {problem}; nothing was written",
        violations=(Violation("body", problem),),
    )
