"""The input: a file, or standard input, line by line."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from twinpost_server.feed.errors import FeedError

__all__ = ["LINE_BYTES_MAX", "Line", "Source"]

LINE_BYTES_MAX: Final = 8 * 1024 * 1024
"""The longest line that is held as a whole."""

_CHUNK_BYTES: Final = 64 * 1024
"""How much is read at once: what a pipe holds."""

_QUIET_S: Final = 0.2
"""How long a pipe may have nothing before whoever reads the lines is told."""


class Line(NamedTuple):
    """A line.

    Attributes:
        number: from 1.
        content: its bytes, without the newline; no more than `LINE_BYTES_MAX` of them.
        end: how many bytes the input has up to here.
        is_cut: whether it is longer than that.
    """

    number: int
    content: bytes
    end: int
    is_cut: bool = False


class Source:
    """An input that is read once, from its beginning.

    Attributes:
        size_bytes: of a file; `None` where nobody knows.
    """

    def __init__(self, stream: BinaryIO, size_bytes: int | None) -> None:
        """Read `stream`, which has no buffer of its own; without a size it is waited for, as a pipe must be."""
        self._stream = stream
        self.size_bytes = size_bytes

    @classmethod
    @contextmanager
    def opened(cls, path: Path | None) -> Iterator[Source]:
        """Read the file `path`, or standard input where that is `None`.

        Raises:
            FeedError: there is no such file, it cannot be read, or standard input is closed.
        """
        # Python has no standard input where the process was started without one.
        if path is None and sys.stdin is None:
            msg = "standard input is closed: give it lines, or name a file with --file, or give VALUE"
            raise FeedError(msg)
        try:
            # Without a buffer: of what were left in one, `select` would not know.
            stream = io.FileIO(sys.stdin.fileno(), closefd=False) if path is None else path.open("rb", buffering=0)
        except OSError as error:
            msg = f"{path or 'standard input'} cannot be read: {error.strerror}"
            raise FeedError(msg) from error
        with stream:
            yield cls(stream, _size(stream))

    def lines(self) -> Iterator[Line | None]:
        """Yield every line; a last one without a newline is one, too.

        `None` comes between them where none has for a moment, so that nobody who has other work waits for a quiet pipe.
        """
        end = number = 0
        # Of the line whose newline has not come: what is held of it, and how long it is.
        held = bytearray()
        length = 0
        for chunk in self._chunks():
            *pieces, rest = chunk.split(b"\n")
            for piece in pieces:
                number += 1
                length += len(piece)
                end += length + 1
                content = bytes(held) + piece if held else piece
                yield Line(number, content[:LINE_BYTES_MAX], end, length > LINE_BYTES_MAX)
                held.clear()
                length = 0
            held += rest[: LINE_BYTES_MAX - len(held)]
            length += len(rest)
            if not pieces:
                yield None
        if length:
            yield Line(number + 1, bytes(held), end + length, length > LINE_BYTES_MAX)

    def _chunks(self) -> Iterator[bytes]:
        """Yield what there is to read; nothing where that is so for a moment."""
        while True:
            if self.size_bytes is None and not select.select([self._stream], [], [], _QUIET_S)[0]:
                yield b""
            elif chunk := self._stream.read(_CHUNK_BYTES):
                yield chunk
            else:
                return


def _size(stream: BinaryIO) -> int | None:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, io.UnsupportedOperation):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
