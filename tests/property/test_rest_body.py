"""Inflating: any bytes at all."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.errors import Reason, RequestFailed
from twinpost_server.rpc.rest_body import inflated

PARTS = st.lists(st.builds(gzip.compress, st.binary(max_size=300), st.integers(0, 9)), min_size=1, max_size=4)


@given(st.one_of(st.binary(), st.builds(b"".join, PARTS)), st.integers(0, 500))
def test_any_bytes_inflate_within_the_cap_or_are_refused(body: bytes, bytes_max: int) -> None:
    """Nothing else ever comes of it."""
    try:
        assert len(inflated(body, bytes_max=bytes_max)) <= bytes_max
    except RequestFailed as refused:
        assert refused.failure.reason in {Reason.REQUEST_TOO_LARGE, Reason.MALFORMED_REQUEST}


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=8), st.integers(0, 9))
def test_what_was_compressed_comes_out(parts: list[bytes], level: int) -> None:
    """In as many members as the sender liked, and refused if it is one byte too long."""
    body = b"".join(gzip.compress(part, level) for part in parts)
    content = b"".join(parts)
    assert content == inflated(body, bytes_max=len(content))
    if content:
        try:
            inflated(body, bytes_max=len(content) - 1)
        except RequestFailed as refused:
            assert Reason.REQUEST_TOO_LARGE is refused.failure.reason
        else:
            raise AssertionError


@given(st.data(), st.binary(min_size=1, max_size=500))
def test_damage_is_never_taken_for_less(data: st.DataObject, content: bytes) -> None:
    """Cut or changed anywhere, the body is refused, or it still holds what was sent."""
    body = bytearray(gzip.compress(content, mtime=0))
    at = data.draw(st.integers(0, len(body) - 1))
    if data.draw(st.booleans()):
        del body[at:]
    else:
        body[at] ^= data.draw(st.integers(1, 255))
    try:
        assert content == inflated(bytes(body), bytes_max=10_000)
    except RequestFailed as refused:
        assert refused.failure.reason in {Reason.MALFORMED_REQUEST, Reason.REQUEST_TOO_LARGE}
