"""The credentials of HTTP Basic (RFC 7617)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final, NamedTuple

from twinpost_server.core.errors import Failure, Reason, RequestFailed

__all__ = ["AUTHORIZATION_LENGTH_MAX", "Credentials", "parse", "unauthenticated"]

AUTHORIZATION_LENGTH_MAX: Final = 8 * 1024
"""Longest `Authorization` header in characters; far more than any name and password need."""

_SCHEME: Final = "basic"
_EXAMPLE: Final = "send 'Authorization: Basic …', as `curl -u USER:PASSWORD` does"


class Credentials(NamedTuple):
    """A name and a password, not verified.

    Attributes:
        name: the user's name.
        password: as it was sent: what it is in UTF-8 is the sender's business.
    """

    name: str
    password: bytes


def parse(authorization: str | None) -> Credentials:
    """Read the value of an `Authorization` header.

    Raises:
        RequestFailed: UNAUTHENTICATED; there is no header, or it is no HTTP Basic.
    """
    if not authorization:
        raise unauthenticated(why=f"no credentials: {_EXAMPLE}")
    if len(authorization) > AUTHORIZATION_LENGTH_MAX:
        raise unauthenticated(
            why=f"the Authorization header has {len(authorization)} characters, more than the limit of "
            f"{AUTHORIZATION_LENGTH_MAX}: {_EXAMPLE}"
        )
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != _SCHEME:
        raise unauthenticated(why=f"the Authorization header is not of the scheme Basic: {_EXAMPLE}")
    try:
        decoded = b64decode(encoded.strip().encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise unauthenticated(why="the Basic credentials are not base64: encode 'USER:PASSWORD'") from None
    name, colon, password = decoded.partition(b":")
    if not colon:
        raise unauthenticated(why="the Basic credentials have no colon: encode 'USER:PASSWORD'")
    try:
        return Credentials(name.decode(), password)
    except UnicodeDecodeError:
        raise unauthenticated(
            why="the user name in the Basic credentials is not UTF-8: encode 'USER:PASSWORD'"
        ) from None


def unauthenticated(*, why: str) -> RequestFailed:
    """Return the error that turns a caller away, who is told `why`."""
    return RequestFailed(Failure(reason=Reason.UNAUTHENTICATED, message=why))
