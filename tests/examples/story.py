"""The story that every example tells: what it sends, and what it prints of each record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Chapter", "Place", "places", "story", "without_places"]

_STORED = re.compile(r"(.+: stored (\S+)) partition (\d+) offset (\d+)")
_VIOLATION = re.compile(r"(.+: violation \S+): .+")


class Place(NamedTuple):
    """Where a record is told to be."""

    topic: str
    partition: int
    offset: int


class Chapter(NamedTuple):
    """One line of the story, and the record that it says is stored, if it says so."""

    line: str
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def story(language: str) -> list[Chapter]:
    """Return the story that the example in `language` tells."""
    return [
        Chapter(
            "one: stored greetings",
            language.encode(),
            f"hello from {language}".encode(),
            (("content-type", b"text/plain"), ("trace", b"\x00\xff")),
        ),
        *_batches(language),
        *_stream(language),
        Chapter("invalid: failed INVALID_RECORD (retriable: false, delivered: no)"),
        Chapter("invalid: violation records[0].partition"),
        Chapter("invalid: violation records[1].topic"),
        Chapter("invalid: violation records[1].timestamp"),
        Chapter("missing partition: failed PARTITION_OUT_OF_RANGE (retriable: false, delivered: no)"),
    ]


def places(lines: Sequence[str]) -> list[Place]:
    """Return where `lines` say that records are stored."""
    found = filter(None, map(_STORED.fullmatch, lines))
    return [Place(match[2], int(match[3]), int(match[4])) for match in found]


def without_places(lines: Sequence[str]) -> list[str]:
    """Return `lines` without what differs from run to run, or is worded for people."""
    return [_VIOLATION.sub(r"\1", _STORED.sub(r"\1", line)) for line in lines]


def _batches(language: str) -> Iterator[Chapter]:
    for batch in (1, 2):
        for i in range(1, 21):
            topic = "cities" if i % 2 == 0 else "greetings"
            value = None if i % 10 == 0 else f"record {i}".encode()
            yield Chapter(f"batch {batch}: stored {topic}", f"{language}-{batch}-{i}".encode(), value)


def _stream(language: str) -> Iterator[Chapter]:
    for step in range(1, 6):
        for i in range(1, 4):
            if step == 3:
                yield Chapter("stream 3: failed INVALID_RECORD (retriable: false, delivered: no)")
            else:
                value = f"step {step} record {i}".encode()
                yield Chapter(f"stream {step}: stored cities", language.encode(), value)
    yield Chapter("stream: complete")
