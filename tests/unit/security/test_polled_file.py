"""A file that others write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinpost_server.security.polled_file import PolledFile


def test_content_is_returned_once(tmp_path: Path) -> None:
    """The first look returns what is there, the next ones nothing."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    polled = PolledFile(path)
    assert [b"one", None, None] == [polled.changed() for _ in range(3)]


def test_change_is_seen_at_the_second_look(tmp_path: Path) -> None:
    """New content is returned, however it got there, once it is the same at two looks."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    polled = PolledFile(path)
    polled.changed()
    path.write_bytes(b"three")
    assert [None, b"three", None] == [polled.changed() for _ in range(3)]


def test_content_of_a_moment_is_not_returned(tmp_path: Path) -> None:
    """A file that is being rewritten in place is empty first, and then cut off."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    polled = PolledFile(path)
    polled.changed()
    seen = []
    for content in (b"", b"fo", b"four", b"four", b"", b"four", b""):
        path.write_bytes(content)
        seen.append(polled.changed())
    assert [None, None, None, b"four", None, None, None] == seen


def test_change_with_the_same_status_is_seen(tmp_path: Path) -> None:
    """Two writes within one tick of the file system's clock leave the same time and size; the second is not lost."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = path.stat()
    polled = PolledFile(path)
    polled.changed()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [None, b"two"] == [polled.changed() for _ in range(2)]


def test_rewriting_the_same_content_is_no_change(tmp_path: Path) -> None:
    """A touched file is not read anew by those who wait for a change."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    polled = PolledFile(path)
    polled.changed()
    os.utime(path, ns=(1, 1))
    assert polled.changed() is None


def test_swapped_link_is_a_change(tmp_path: Path) -> None:
    """Kubernetes swaps a link to a directory; the file's own path stays what it was."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "file").write_text(version)
    (tmp_path / "data").symlink_to("1")
    path = tmp_path / "file"
    path.symlink_to("data/file")
    polled = PolledFile(path)
    first = polled.changed()
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(tmp_path / "data")
    assert (b"1", None, b"2") == (first, polled.changed(), polled.changed())


def test_missing_file_raises_until_it_is_back(tmp_path: Path) -> None:
    """A file that is gone for a while is an error meanwhile, and no change where it comes back the same."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    polled = PolledFile(path)
    polled.changed()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        polled.changed()
    path.write_bytes(b"one")
    assert polled.changed() is None
