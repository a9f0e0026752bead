"""Sizes of records."""

from __future__ import annotations

import pytest

from twinpost_server.core.records import Header, Payload, Record, payload_bytes, record_bytes


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        pytest.param(None, 0, id="null"),
        pytest.param("", 0, id="empty text"),
        pytest.param(b"", 0, id="empty bytes"),
        pytest.param("abc", 3, id="ASCII"),
        pytest.param(b"\xff\x00", 2, id="bytes"),
        pytest.param("é", 2, id="two bytes a character"),
        pytest.param("€", 3, id="three bytes a character"),
        pytest.param("a😀", 5, id="one and four bytes a character"),
    ],
)
def test_payload_is_as_large_as_it_is_stored(payload: Payload, size: int) -> None:
    """Text counts in UTF-8 bytes, null counts nothing."""
    assert size == payload_bytes(payload)


def test_record_is_as_large_as_its_parts() -> None:
    """Key, value and both halves of every header count; topic, partition and timestamp do not."""
    headers = [Header("é", b"123"), Header("h", None), Header("h", "€")]
    record = Record("value", "topic", key=b"key", partition=1, timestamp=1, headers=headers)
    assert 5 + 3 + (2 + 3) + 1 + (1 + 3) == record_bytes(record)


@pytest.mark.parametrize("headers", [None, []])
def test_record_without_headers_is_as_large_as_key_and_value(headers: list[Header] | None) -> None:
    """None and the empty list mean the same."""
    assert 1 == record_bytes(Record("v", "t", headers=headers))
