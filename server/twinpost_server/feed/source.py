"""The input: a file, or standard input, line by line."""

from __future__ import annotations

import io
import os
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

_CHUNK_BYTES: Final = 1024 * 1024


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
        """Read `stream`."""
        self._stream = stream
        self.size_bytes = size_bytes

    @classmethod
    @contextmanager
    def opened(cls, path: Path | None) -> Iterator[Source]:
        """Read the file `path`, or standard input where that is `None`.

        Raises:
            FeedError: there is no such file, or it cannot be read.
        """
        if path is None:
            yield cls(sys.stdin.buffer, _size(sys.stdin.buffer))
            return
        try:
            stream = path.open("rb")
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise FeedError(msg) from error
        with stream:
            yield cls(stream, _size(stream))

    def lines(self) -> Iterator[Line]:
        """Yield every line; a last one without a newline is one, too."""
        end = number = 0
        while content := self._stream.readline(LINE_BYTES_MAX + 1):
            number += 1
            end += len(content)
            if content.endswith(b"\n"):
                yield Line(number, content[:-1], end)
                continue
            is_cut = len(content) > LINE_BYTES_MAX
            if is_cut:
                end += self._skip_rest()
            yield Line(number, content[:LINE_BYTES_MAX], end, is_cut)

    def _skip_rest(self) -> int:
        """Read to the end of the line and return how many bytes that took."""
        skipped = 0
        while piece := self._stream.readline(_CHUNK_BYTES):
            skipped += len(piece)
            if piece.endswith(b"\n"):
                break
        return skipped


def _size(stream: BinaryIO) -> int | None:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, io.UnsupportedOperation):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
