"""The input, line by line."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from twinpost_server.feed import source as module
from twinpost_server.feed.errors import FeedError
from twinpost_server.feed.source import Line, Source


def lines(content: bytes) -> list[Line]:
    """Return the lines of `content`."""
    return [line for line in Source(io.BytesIO(content), len(content)).lines() if line is not None]


def test_lines_are_numbered_and_know_where_they_end() -> None:
    """Nothing but the newline is taken off, and a last line needs none."""
    assert [Line(1, b"a\r", 3), Line(2, b"", 4), Line(3, b"\xff b", 8)] == lines(b"a\r\n\n\xff b\n")
    assert [Line(1, b"a", 1)] == lines(b"a")
    assert [] == lines(b"")


def test_line_that_is_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and the next one begins where it ends, however long it is."""
    monkeypatch.setattr(module, "LINE_BYTES_MAX", 4)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 3)
    assert [Line(1, b"1234", 5), Line(2, b"1234", 17, is_cut=True), Line(3, b"x", 19)] == lines(
        b"1234\n12345678901\nx\n"
    )
    assert [Line(1, b"1234", 9, is_cut=True)] == lines(b"123456789")


def test_line_is_whole_however_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the pieces end that are read at once."""
    content = b"first\n\nsecond one\r\n\n\nlast"
    whole = lines(content)
    assert [b"first", b"", b"second one\r", b"", b"", b"last"] == [line.content for line in whole]
    for size in range(1, len(content)):
        monkeypatch.setattr(module, "_CHUNK_BYTES", size)
        assert whole == lines(content), size


def test_quiet_pipe_is_told(tmp_path: Path) -> None:
    """Also in the middle of a line, which then is whole; whoever reads has other work to do meanwhile."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # For both ends, since opening one waits for the other.
    writer = os.open(path, os.O_RDWR)
    with Source.opened(path) as source:
        coming = source.lines()
        assert next(coming) is None
        os.write(writer, b"a\nb")
        assert Line(1, b"a", 2) == next(coming)
        assert next(coming) is None
        os.write(writer, b"c\n")
        assert Line(2, b"bc", 5) == next(coming)
        os.close(writer)
        assert [] == list(coming)


def test_file_has_a_size(tmp_path: Path) -> None:
    """Which the bar needs."""
    path = tmp_path / "input"
    path.write_bytes(b"a\nb\n")
    with Source.opened(path) as source:
        assert 4 == source.size_bytes
        assert [Line(1, b"a", 2), Line(2, b"b", 4)] == list(source.lines())


def test_what_is_no_regular_file_has_no_size() -> None:
    """Nobody knows what comes out of a pipe or a device."""
    with Source.opened(Path("/dev/null")) as source:
        assert source.size_bytes is None
        assert [] == list(source.lines())


@pytest.mark.parametrize("name", ["no such file", "."])
def test_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    """Before anything else happens."""
    with pytest.raises(FeedError, match="cannot be read"), Source.opened(tmp_path / name):
        pass


def test_standard_input_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none then."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(FeedError, match="standard input is closed"), Source.opened(None):
        pass
