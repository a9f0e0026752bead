"""How far an input is settled, kept in a file from one run to the next.

The file is a journal: a head, which says of which topic and input it tells and how many lines are settled from the
first one on, and then one line for each time that more were settled: `[[7,[9,12]],[4,"8f0c"],[12,"b2e1"]]` are the
lines 7 and 9 to 12, the digest of the lines 1 to 4, which are settled without a gap, and that of the lines 1 to 12, the
last of which is the last one that is settled: the next run must find the same ones in its input. It is written there
and then, which outlives the process, however that ends. A line that is not whole, as after a loss of power, ends it;
what it would have said is then settled once more.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twinpost_server.feed.errors import FeedError

__all__ = ["Checkpoint"]

_VERSION: Final = 2

_DIGEST_BYTES: Final = 16

_JOURNAL_BYTES_MAX: Final = 1024 * 1024
"""Past it the journal is written anew, as short as it can be."""


_HEAD: Final = ("version", "topic", "first_line", "lines", "digest")

_MEND: Final = "give the same input, or remove the file to begin anew"


class Checkpoint:
    """The lines that are settled.

    Attributes:
        lines: how many are, from the first one on, without a gap.
    """

    def __init__(self, path: Path, topic: str) -> None:
        """Take up what `path` says of `topic`, or begin anew where there is no such file; `opened` calls this.

        Raises:
            FeedError: it is of another topic, is no such file, is in use, or cannot be read or written.
        """
        self._path = path
        self._topic = topic
        self._first_line: str | None = None
        self.lines = 0
        # Those beyond the gap, and the last one of all, both from whichever run.
        self._beyond: set[int] = set()
        self._last = 0
        self._lines_read = 0
        # Of the lines 1 to `lines`, to the last one, of those read so far, and of those up to each one read beyond
        # `lines`, in a row.
        self._digest = self._digest_last = self._digest_read = b""
        self._digests_beyond = bytearray()
        # What is settled, and could not be written yet.
        self._unwritten: list[int] = []
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._lock(self._descriptor)
            content = path.read_bytes()
        except OSError as error:
            msg = f"{path} cannot be used for --resume: {error.strerror}"
            raise FeedError(msg) from error
        self._size = 0
        if content:
            self._load(content)

    @classmethod
    @contextmanager
    def opened(cls, path: Path, topic: str) -> Iterator[Checkpoint]:
        """Hold the file until the end of the block.

        Raises:
            FeedError: as above.
        """
        checkpoint = cls(path, topic)
        try:
            yield checkpoint
        finally:
            os.close(checkpoint._descriptor)

    def pass_over(self, number: int, content: bytes) -> bool:
        """Take the line `number` of the input, of which every line must be given, and return whether it is settled.

        Raises:
            FeedError: the input is not the one of the last run. That is known before a line beyond `lines` is taken
                where it differs up to there, else before one beyond all that are settled is.
            OSError: the file cannot be written.
        """
        # Each digest is made of the one before, so that there is one for every line and no line is read again for it.
        digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=self._digest_read).digest()
        if number == 1:
            self._begin(digest.hex())
        if (number == self.lines and digest != self._digest) or (number == self._last and digest != self._digest_last):
            # Not taken: what a run has settled by then must not hide from the next one that they differ.
            msg = f"{self._path} tells of another input, whose first {number} lines are not these: {_MEND}"
            raise FeedError(msg)
        self._lines_read = number
        self._digest_read = digest
        if number <= self.lines:
            return True
        if number not in self._beyond:
            self._digests_beyond += digest
            return False
        if number == self.lines + 1:
            self._beyond.remove(number)
            self.lines = number
            self._digest = digest
        else:
            self._digests_beyond += digest
        return True

    def check_end(self) -> None:
        """Check that the input, which has ended, has all the lines that were settled by the last run.

        Raises:
            FeedError: it does not.
        """
        if self._lines_read < self._last:
            msg = f"{self._path} tells of an input of {self._last} lines or more, not {self._lines_read}: {_MEND}"
            raise FeedError(msg)

    def settle(self, numbers: Iterable[int]) -> None:
        """Note that these lines, which were taken, are settled; that is in the file when this returns.

        Raises:
            OSError: it cannot be written.
        """
        self._unwritten += numbers
        if not self._unwritten:
            return
        self._unwritten.sort()
        self._note(self._unwritten)
        entry = self._entry(self._unwritten)
        _write(self._descriptor, entry, self._size)
        self._size += len(entry)
        self._unwritten.clear()
        if self._size > _JOURNAL_BYTES_MAX:
            self._rewrite()

    def _begin(self, first_line: str) -> None:
        """Check the digest of the first line, or begin the file with it."""
        if self._first_line is None:
            self._first_line = first_line
            self._rewrite()
        elif first_line != self._first_line:
            msg = f"{self._path} tells of another input, whose first line is not this one's: {_MEND}"
            raise FeedError(msg)

    def _note(self, numbers: Sequence[int]) -> None:
        """Take the ascending `numbers` for settled."""
        before = self.lines
        if numbers[-1] > self._last:
            self._last = numbers[-1]
            self._digest_last = self._digest_beyond(self._last - before)
        self._beyond.update(number for number in numbers if number > before)
        # Not over what an earlier run has settled and this one has not read yet: that has no digest.
        while self.lines < self._lines_read and self.lines + 1 in self._beyond:
            self.lines += 1
            self._beyond.remove(self.lines)
        if self.lines > before:
            self._digest = self._digest_beyond(self.lines - before)
            del self._digests_beyond[: (self.lines - before) * _DIGEST_BYTES]

    def _digest_beyond(self, count: int) -> bytes:
        """Return the digest up to the line that is `count` lines beyond those in `_digests_beyond`."""
        return bytes(self._digests_beyond[(count - 1) * _DIGEST_BYTES : count * _DIGEST_BYTES])

    def _load(self, content: bytes) -> None:
        # What follows the last newline was not written to its end.
        head, *entries, _ = content.split(b"\n") if b"\n" in content else (content, b"")
        try:
            told = json.loads(head)
            version, topic, first_line, lines, digest = (told[name] for name in _HEAD)
            self._digest = bytes.fromhex(digest)
        except (ValueError, KeyError, TypeError):
            version = topic = first_line = lines = None
        if version != _VERSION or not isinstance(lines, int):
            msg = f"{self._path} is no file of --resume: name another one, or remove it to begin anew"
            raise FeedError(msg)
        if topic != self._topic:
            msg = f"{self._path} tells of the topic {topic}, not {self._topic}: name another file"
            raise FeedError(msg)
        self.lines = self._last = lines
        self._digest_last = self._digest
        self._first_line = first_line
        self._size = len(head) + 1
        for entry in entries:
            try:
                parts, *marks = json.loads(entry)
                (lines, digest), (last, digest_last) = ((int(line), bytes.fromhex(mark)) for line, mark in marks)
                numbers = _decoded(parts)
            except (ValueError, TypeError):
                break
            self._beyond.update(number for number in numbers if number > lines)
            # There and then, since a gap that stays for long has very many lines beyond it.
            self._beyond.difference_update(range(self.lines + 1, lines + 1))
            self.lines, self._digest = lines, digest
            self._last, self._digest_last = last, digest_last
            self._size += len(entry) + 1
        os.ftruncate(self._descriptor, self._size)

    def _rewrite(self) -> None:
        """Write the file anew, whole or not at all."""
        head = (_VERSION, self._topic, self._first_line, self.lines, self._digest.hex())
        content = json.dumps(dict(zip(_HEAD, head, strict=True))).encode() + b"\n"
        if self._beyond:
            content += self._entry(sorted(self._beyond))
        # Under a name that nobody has; what may have been there is not ours.
        descriptor, name = tempfile.mkstemp(prefix=f"{self._path.name}.", dir=self._path.parent)
        fresh = Path(name)
        try:
            self._lock(descriptor)
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(self._descriptor).st_mode))
            _write(descriptor, content, 0)
            # Else a loss of power may leave the new name without the content, and the old file gone.
            os.fsync(descriptor)
            fresh.replace(self._path)
        except BaseException:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._size = len(content)

    def _entry(self, numbers: Sequence[int]) -> bytes:
        """Return the line for ascending `numbers`, after which the digests are what they are now."""
        marks = (self.lines, self._digest.hex()), (self._last, self._digest_last.hex())
        return json.dumps((_encoded(numbers), *marks), separators=(",", ":")).encode() + b"\n"

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{self._path} is in use: another `twinpost produce` is at work with it"
            raise FeedError(msg) from None


def _write(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of `content`: a disk that is nearly full takes a part of it, and says so only the next time."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content = content[written:]
        offset += written


def _encoded(numbers: Sequence[int]) -> list[int | list[int]]:
    """Return ascending `numbers` as a line has them."""
    parts: list[int | list[int]] = []
    first = last = numbers[0]
    for number in (*numbers[1:], None):
        if number == last + 1:
            last = number
            continue
        parts.append(first if first == last else [first, last])
        if number is not None:
            first = last = number
    return parts


def _decoded(parts: Any) -> list[int]:  # noqa: ANN401 - what JSON has
    """Return the numbers that a line has.

    Raises:
        TypeError: it is none.
        ValueError: likewise.
    """
    numbers: list[int] = []
    if not isinstance(parts, list):
        raise TypeError
    for part in parts:
        first, last = (part, part) if isinstance(part, int) else part
        numbers += range(first, last + 1)
    return numbers
