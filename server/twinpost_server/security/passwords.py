"""Password hashes: Argon2 in its usual encoding, parameters included (RFC 9106)."""

from __future__ import annotations

import binascii
import re
import unicodedata
from base64 import b64decode, b64encode
from typing import Final

import argon2
from argon2.exceptions import VerifyMismatchError

__all__ = [
    "PASSWORD_BYTES_MAX",
    "has_controls",
    "hash_password",
    "is_password_hash",
    "password_problem",
    "verify_password",
]

PASSWORD_BYTES_MAX: Final = 1024
"""Longest password in UTF-8, so that every one fits into the header that carries it."""

_ENCODED: Final = re.compile(
    r"\$argon2(?:id|i|d)\$v=(?:16|19)\$m=(?P<memory>[1-9][0-9]{0,6}),t=(?P<time>[1-9][0-9]{0,3}),p=(?P<lanes>[1-9][0-9]{0,2})"
    r"\$(?P<salt>[A-Za-z0-9+/]+)\$(?P<tag>[A-Za-z0-9+/]+)"
)
_MEMORY_KIB_MAX: Final = 1024 * 1024
_WORK_KIB_MAX: Final = 4 * _MEMORY_KIB_MAX
"""Memory times passes: some seconds of one processor."""
_SALT_BYTES_MIN: Final = 8
_TAG_BYTES_MIN: Final = 4


def has_controls(text: str) -> bool:
    """Return whether `text` has what HTTP Basic cannot carry: control characters (RFC 7617, section 2) or no UTF-8."""
    return any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def password_problem(password: str) -> str | None:
    """Return why `password` cannot be one, or `None` if it can."""
    if not password:
        return "a password cannot be empty"
    if has_controls(password):
        return "a password cannot have control characters"
    length = len(password.encode())
    if length > PASSWORD_BYTES_MAX:
        return f"a password of {length} bytes is over the limit of {PASSWORD_BYTES_MAX}"
    return None


def hash_password(password: str) -> str:
    """Return a new Argon2id hash of `password`. Takes about 0.1 s and 64 MiB, so not for an event loop."""
    return argon2.PasswordHasher().hash(password)


def verify_password(password_hash: str, password: bytes) -> bool:
    """Return whether `password` was hashed to `password_hash`, in the time that hashing took.

    Not for an event loop; other threads run meanwhile.

    Args:
        password_hash: what `is_password_hash` accepts.
        password: as the caller sent it.
    """
    try:
        return argon2.PasswordHasher().verify(password_hash, password)
    except VerifyMismatchError:
        return False


def is_password_hash(text: str) -> bool:
    """Return whether `text` is a hash that `verify_password` can work with, in at most 1 GiB and some seconds.

    The library itself finds out only by doing the whole work, which is when a caller waits for it.
    """
    parts = _ENCODED.fullmatch(text)
    if parts is None:
        return False
    memory_kib, passes, lanes = int(parts["memory"]), int(parts["time"]), int(parts["lanes"])
    return (
        8 * lanes <= memory_kib <= _MEMORY_KIB_MAX
        and memory_kib * passes <= _WORK_KIB_MAX
        and _decoded_length(parts["salt"]) >= _SALT_BYTES_MIN
        and _decoded_length(parts["tag"]) >= _TAG_BYTES_MIN
    )


def _decoded_length(unpadded: str) -> int:
    """Return how many bytes the base64 stands for, or -1 if it is not the one way to write them."""
    try:
        decoded = b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except binascii.Error:
        return -1
    return len(decoded) if b64encode(decoded).decode().rstrip("=") == unpadded else -1
