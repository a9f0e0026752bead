"""The report of lines that were not acknowledged."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from twinpost.client import RecordError
from twinpost_server.feed.errors import FeedError
from twinpost_server.feed.source import Line

__all__ = ["FailureReport"]


class FailureReport:
    """A file with a JSON object on each line, added to what it has.

    `line` is the number, `reason`, `delivered` and `message` are the error's, and `text` is the line itself; where that
    is not UTF-8 it is in `base64` instead. `is_cut` says that the line is longer than what is shown.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Write to `file`."""
        self._file = file

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[FailureReport]:
        """Write to `path` until the end of the block.

        Raises:
            FeedError: it cannot be written.
        """
        try:
            file = path.open("ab")
        except OSError as error:
            msg = f"{path} cannot be written: {error.strerror}"
            raise FeedError(msg) from error
        with file:
            yield cls(file)

    def add(self, line: Line, error: RecordError) -> None:
        """Write that `line` failed; it is in the file when this returns, whatever becomes of the process.

        Raises:
            OSError: it cannot be written.
        """
        try:
            content = {"text": line.content.decode()}
        except UnicodeDecodeError:
            content = {"base64": b64encode(line.content).decode()}
        entry = {
            "line": line.number,
            "reason": error.reason,
            "delivered": error.delivered,
            "message": error.message,
            **content,
            **({"is_cut": True} if line.is_cut else {}),
        }
        self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
