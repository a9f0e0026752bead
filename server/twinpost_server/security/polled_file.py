"""A file that others write, looked at again and again.

Looking works where notifications do not: on network file systems, and where Kubernetes swaps a symbolic link.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["PolledFile"]


class PolledFile:
    """Tells when a file's content has changed. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        """Look at `path`, and at what it leads to where it is a symbolic link."""
        self._path = path
        self._signature: tuple[int, ...] = ()
        self._settled = False
        self._content: bytes | None = None
        self._candidate: bytes | None = None

    def changed(self) -> bytes | None:
        """Return the content if it is not what was returned last, else `None`.

        What is new counts once two calls have seen it: a file that is rewritten in place is empty, or cut off, for a
        moment. Only the first call has nothing to compare with. Reads only where the status has changed. Blocks as long
        as the file system does.

        Raises:
            OSError: the file cannot be read; the next call tries again.
        """
        # The status comes first: of a change between the two, the status is what the next call finds different.
        status = self._path.stat()
        signature = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)
        if signature == self._signature and self._settled and self._candidate is None:
            return None
        content = self._path.read_bytes()
        # A file system's clock ticks slowly enough for a second change of equal size to keep the same status. So a new
        # status is trusted only at the next call, when it is older than a tick.
        self._settled = signature == self._signature
        self._signature = signature
        if content == self._content:
            self._candidate = None
            return None
        if self._content is not None and content != self._candidate:
            self._candidate = content
            return None
        self._content, self._candidate = content, None
        return content
