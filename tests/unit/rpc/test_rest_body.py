"""Inflating a body."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.rpc.rest_body import inflated, is_gzip, told_bytes

TEXT = b'{"value":"x"}'


def refusal(body: bytes, *, bytes_max: int = 1000) -> Reason:
    """Return why `body` is refused."""
    with pytest.raises(RequestFailed) as refused:
        inflated(body, bytes_max=bytes_max)
    assert Delivered.NO is refused.value.failure.delivered
    return refused.value.failure.reason


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_no_encoding_has_names_too(encoding: str) -> None:
    """Such a body is taken as it is."""
    assert not is_gzip(encoding)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip", " gzip "])
def test_gzip_is_known_by_any_spelling(encoding: str) -> None:
    """Names of encodings know no case (RFC 9110, 8.4.1)."""
    assert is_gzip(encoding)


def test_members_are_joined() -> None:
    """A gzip body may be several files one after another (RFC 1952, 2.2)."""
    body = gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b")
    assert b"ab" == inflated(body, bytes_max=2)


def test_nothing_can_be_inflated_to_nothing() -> None:
    """An empty member is legal."""
    assert b"" == inflated(gzip.compress(b""), bytes_max=0)


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False), (10_000_000, False)])
@pytest.mark.parametrize("members", [1, 2])
def test_limit_is_that_of_the_inflated_body(size: int, members: int, *, fits: bool) -> None:
    """Inclusive, and over all members together."""
    head = size // members
    body = b"".join(gzip.compress(b"\0" * part) for part in ([size] if members == 1 else [head, size - head]))
    if fits:
        assert size == len(inflated(body, bytes_max=1000))
    else:
        assert Reason.REQUEST_TOO_LARGE is refusal(body)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip;q=1", "x" * 10_000])
def test_other_encodings_are_not_supported(encoding: str) -> None:
    """Neither others nor several at once."""
    with pytest.raises(RequestFailed) as refused:
        is_gzip(encoding)
    assert Reason.UNSUPPORTED_ENCODING is refused.value.failure.reason


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(TEXT, id="text"),
        pytest.param(zlib.compress(TEXT), id="zlib"),
        pytest.param(gzip.compress(TEXT)[:-1], id="cut in the trailer"),
        pytest.param(gzip.compress(TEXT)[:12], id="cut in the data"),
        pytest.param(gzip.compress(TEXT)[:5], id="cut in the header"),
        pytest.param(gzip.compress(TEXT)[:-8] + b"\0" * 8, id="wrong checksum"),
        pytest.param(gzip.compress(TEXT) + b"junk", id="junk behind"),
        pytest.param(gzip.compress(TEXT) + b"\0", id="padding behind"),
    ],
)
def test_damaged_gzip_is_malformed(body: bytes) -> None:
    """Half a message is never taken for a whole one."""
    assert Reason.MALFORMED_REQUEST is refusal(body)


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_gzip_tells_its_size(size: int) -> None:
    """Before it is inflated."""
    assert size == told_bytes(gzip.compress(b"x" * size))


@pytest.mark.parametrize("body", [b"", b"\x01"])
def test_what_is_no_gzip_tells_some_size(body: bytes) -> None:
    """Whether it is gzip is asked elsewhere."""
    assert len(body) == told_bytes(body)


def test_members_of_bgzip_are_joined() -> None:
    """It makes one of each 64 KiB, and an empty one at the end."""
    text = bytes(range(256)) * 255
    body = gzip.compress(text) * 300 + gzip.compress(b"")
    assert text * 300 == inflated(body, bytes_max=300 * len(text))


def test_body_too_large_is_told_its_size_and_the_limit() -> None:
    """Of what was sent: how much it would be is not looked for."""
    body = gzip.compress(b"x" * 1001)
    with pytest.raises(RequestFailed) as refused:
        inflated(body, bytes_max=1000)
    message = refused.value.failure.message
    assert f"{len(body)} bytes of gzip inflate to more than the limit of 1000 bytes (limits.body_bytes_max)" in message


def test_hundreds_of_thousands_of_members_cost_no_time() -> None:
    """Each member costs microseconds; a body of nothing but members must not take seconds."""
    body = gzip.compress(b"") * 800_000
    started_at = time.process_time()
    assert Reason.MALFORMED_REQUEST is refusal(body)
    assert time.process_time() - started_at < 1
