"""The file that remembers how far an input is settled."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.feed import checkpoint as module
from twinpost_server.feed.checkpoint import Checkpoint
from twinpost_server.feed.errors import FeedError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "state"


def line(number: int) -> bytes:
    """Return what the line `number` of the input has."""
    return b"line %d" % number


@contextmanager
def resumed(path: Path, read: int = 60) -> Iterator[Checkpoint]:
    """Hold the file, with so many lines of the input read."""
    with Checkpoint.opened(path, "t") as checkpoint:
        for number in range(1, read + 1):
            checkpoint.pass_over(number, line(number))
        yield checkpoint


def settled(path: Path, upto: int) -> list[int]:
    """Return what a new run would find settled, of the first so many lines."""
    with Checkpoint.opened(path, "t") as checkpoint:
        return [number for number in range(1, upto + 1) if checkpoint.pass_over(number, line(number))]


def test_next_run_knows_what_was_settled(path: Path) -> None:
    """Without a gap, and beyond one."""
    with resumed(path) as checkpoint:
        checkpoint.settle([1, 2])
        checkpoint.settle([5, 7, 6, 9])
        assert 2 == checkpoint.lines
        checkpoint.settle([3])
        assert 3 == checkpoint.lines
        checkpoint.settle([])
    assert [1, 2, 3, 5, 6, 7, 9] == settled(path, 10)
    noted = [json.loads(entry)[0] for entry in path.read_bytes().splitlines()[1:]]
    assert [[[1, 2]], [[5, 7], 9], [3]] == noted


def test_what_is_noted_outlives_the_process(path: Path) -> None:
    """It is in the file the moment it is noted, whatever happens next."""
    with resumed(path) as checkpoint:
        checkpoint.settle([1, 2])
        assert b"[[[1,2]],[2," in path.read_bytes()


@given(batches=st.lists(st.lists(st.integers(1, 60), max_size=20), max_size=15))
def test_any_lines_are_remembered(tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]) -> None:
    """In any order, and also across a file that was written anew."""
    path = tmp_path_factory.mktemp("checkpoint") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_JOURNAL_BYTES_MAX", 150)
        for batch in batches:
            with resumed(path) as checkpoint:
                checkpoint.settle(batch)
        assert sorted({number for batch in batches for number in batch}) == settled(path, 60)
        assert path.stat().st_size <= 150 + 300


class TestGapOfAnEarlierRun:
    """The lines 1 to 3 and 5 to 6 are settled; the line 4 is, before the next ones are read."""

    @pytest.fixture(autouse=True)
    def _gap(self, path: Path) -> None:
        with resumed(path, read=6) as checkpoint:
            checkpoint.settle([1, 2, 3, 5, 6])

    def test_run_goes_on(self, path: Path) -> None:
        """Over those beyond the gap, and with more lines."""
        with resumed(path, read=4) as checkpoint:
            checkpoint.settle([4])
            assert 4 == checkpoint.lines
            assert [True, True, False] == [checkpoint.pass_over(number, line(number)) for number in (5, 6, 7)]
            assert 6 == checkpoint.lines
            checkpoint.settle([7])
            assert 7 == checkpoint.lines
        assert [1, 2, 3, 4, 5, 6, 7] == settled(path, 8)

    def test_next_run_goes_on(self, path: Path) -> None:
        """Also where that one ends at once."""
        with resumed(path, read=4) as checkpoint:
            checkpoint.settle([4])
        assert [1, 2, 3, 4, 5, 6] == settled(path, 8)

    def test_gap_closes_after_some_of_them_are_read(self, path: Path) -> None:
        """As far as they are."""
        with resumed(path, read=5) as checkpoint:
            checkpoint.settle([4])
            assert 5 == checkpoint.lines
        assert [1, 2, 3, 4, 5, 6] == settled(path, 8)

    def test_input_that_ends_among_them_is_refused(self, path: Path) -> None:
        """Each time; the whole one is not."""
        for _ in range(2):
            with resumed(path, read=5) as checkpoint:
                checkpoint.settle([4])
                with pytest.raises(FeedError, match="of 6 lines or more, not 5"):
                    checkpoint.check_end()
        assert [1, 2, 3, 4, 5, 6] == settled(path, 8)

    def test_other_lines_are_refused(self, path: Path) -> None:
        """Before one is taken that is beyond them all; what was settled by then makes them no more acceptable."""
        for _ in range(2):
            with Checkpoint.opened(path, "t") as checkpoint:
                for number in range(1, 6):
                    checkpoint.pass_over(number, b"other" if number == 5 else line(number))
                with pytest.raises(FeedError, match="whose first 6 lines are not these"):
                    checkpoint.pass_over(6, line(6))
                checkpoint.settle([4])


@given(
    runs=st.lists(st.tuples(st.integers(1, 30), st.lists(st.integers(1, 30), max_size=5), st.booleans()), max_size=10)
)
def test_any_runs_over_the_same_input_are_accepted(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[int, list[int], bool]]
) -> None:
    """However far each one reads, and whatever it settles of that, before and after it reads more."""
    path = tmp_path_factory.mktemp("checkpoint") / "state"
    expected: set[int] = set()
    with pytest.MonkeyPatch.context() as patch:
        for read, numbers, is_short in runs:
            patch.setattr(module, "_JOURNAL_BYTES_MAX", 150 if is_short else 10_000)
            with resumed(path, read) as checkpoint:
                for number in numbers:
                    if number <= read:
                        checkpoint.settle([number])
                        expected.add(number)
                following = read + 1
                checkpoint.pass_over(following, line(following))
                checkpoint.settle([following])
                expected.add(following)
            assert sorted(expected) == settled(path, 60)


def test_file_is_written_anew_before_it_grows_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole or not at all, and as short as it can be."""
    monkeypatch.setattr(module, "_JOURNAL_BYTES_MAX", 400)
    with resumed(path, read=1000) as checkpoint:
        for number in range(1, 1000):
            checkpoint.settle([number + 1])
        assert path.stat().st_size <= 400 + 100
        checkpoint.settle([1])
    assert list(range(1, 1001)) == settled(path, 1001)
    assert [path] == list(path.parent.iterdir())


def test_file_that_is_written_anew_keeps_its_mode(path: Path) -> None:
    """Who may read it was decided before."""
    path.touch(0o640)
    settled(path, 1)
    assert 0o640 == path.stat().st_mode & 0o777


def test_other_files_are_left_alone(path: Path) -> None:
    """Whatever they are called."""
    other = path.with_name("state.new")
    other.write_bytes(b"mine")
    settled(path, 1)
    assert b"mine" == other.read_bytes()


class TestFullDisk:
    """Writes that fail, or take a part of what they are given."""

    @pytest.fixture
    def room(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
        """How many bytes each of the next writes takes; one that takes none fails. Then all take everything."""
        room: list[int] = []
        pwrite = os.pwrite

        def narrow(descriptor: int, content: bytes, offset: int) -> int:
            taken = room.pop(0) if room else len(content)
            if not taken:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return pwrite(descriptor, content[:taken], offset)

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", narrow)
            yield room

    def test_write_goes_on_where_it_was_cut_short(self, path: Path, room: list[int]) -> None:
        """The head, and what follows."""
        with Checkpoint.opened(path, "t") as checkpoint:
            room[:] = [3, 5]
            for number in (1, 2):
                checkpoint.pass_over(number, line(number))
            room[:] = [1, 2]
            checkpoint.settle([1, 2])
        assert [1, 2] == settled(path, 3)

    def test_what_could_not_be_written_is_written_with_the_next(self, path: Path, room: list[int]) -> None:
        """It is settled all the same."""
        with resumed(path) as checkpoint:
            room[:] = [2, 0]
            with pytest.raises(OSError, match="No space left"):
                checkpoint.settle([1, 2])
            checkpoint.settle([3])
        assert [1, 2, 3] == settled(path, 5)

    def test_file_that_cannot_be_written_anew_stays_as_it_was(
        self, path: Path, room: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And in use; nothing else is left behind."""
        with resumed(path) as checkpoint:
            monkeypatch.setattr(module, "_JOURNAL_BYTES_MAX", 1)
            room[:] = [1000, 10, 0]
            with pytest.raises(OSError, match="No space left"):
                checkpoint.settle([1, 2])
            assert [path] == list(path.parent.iterdir())
            with pytest.raises(FeedError, match="is in use"), Checkpoint.opened(path, "t"):
                pass
            checkpoint.settle([3])
        assert [1, 2, 3] == settled(path, 5)


@pytest.mark.parametrize(
    "torn",
    [
        b"[[3,",
        b"[3",
        b"\0\0\0\0",
        b"nope",
        b"{}",
        b'[[3],""]',
        b'["a",[3,""],[3,""]]',
        b'[[[1,2,3]],[3,""],[3,""]]',
        b'[[3],[3,"no hex"],[3,""]]',
        b'[[3],[3,""],[null,""]]',
    ],
)
def test_torn_line_ends_what_is_known(path: Path, torn: bytes) -> None:
    """As after a loss of power; what it would have said is settled once more."""
    with resumed(path) as checkpoint:
        checkpoint.settle([1, 2])
    with path.open("ab") as file:
        file.write(torn + b"\n[9]\n")
    assert [1, 2] == settled(path, 10)


def test_torn_line_is_overwritten(path: Path) -> None:
    """What is noted after it is found again."""
    with resumed(path) as checkpoint:
        checkpoint.settle([1])
    with path.open("ab") as file:
        file.write(b"[[3,")
    with resumed(path) as checkpoint:
        checkpoint.settle([2])
    assert [1, 2] == settled(path, 5)


class TestOtherInput:
    """Refused: else lines would be passed over that nobody has sent."""

    def test_by_its_first_line(self, path: Path) -> None:
        """Also where none is settled, or only later ones."""
        with resumed(path) as checkpoint:
            checkpoint.settle([2])
        with Checkpoint.opened(path, "t") as checkpoint, pytest.raises(FeedError, match="another input"):
            checkpoint.pass_over(1, b"other")

    @pytest.mark.parametrize("changed", [2, 3, 5])
    def test_by_any_line_that_is_settled(self, path: Path, changed: int) -> None:
        """A head that every export has does not make them one, nor does a line that was half written then."""
        with resumed(path) as checkpoint:
            checkpoint.settle([3, 2, 7])
            checkpoint.settle([1, 4, 5])
        with Checkpoint.opened(path, "t") as checkpoint:
            for number in range(1, 5):
                assert checkpoint.pass_over(number, b"other" if number == changed else line(number))
            with pytest.raises(FeedError, match="whose first 5 lines are not these"):
                checkpoint.pass_over(5, b"other" if changed == 5 else line(5))

    def test_also_after_the_file_was_written_anew(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With some lines settled beyond a gap, and more settled since."""
        monkeypatch.setattr(module, "_JOURNAL_BYTES_MAX", 1)
        with resumed(path) as checkpoint:
            checkpoint.settle([1, 2, 5])
        with resumed(path) as checkpoint:
            checkpoint.settle([3])
        assert [1, 2, 3, 5] == settled(path, 7)
        with Checkpoint.opened(path, "t") as checkpoint:
            assert [True, True] == [checkpoint.pass_over(number, line(number)) for number in (1, 2)]
            with pytest.raises(FeedError, match="whose first 3 lines are not these"):
                checkpoint.pass_over(3, b"other")

    def test_by_its_end(self, path: Path) -> None:
        """It has fewer lines than are settled."""
        with resumed(path) as checkpoint:
            checkpoint.settle([1, 2, 3])
            checkpoint.check_end()
        with resumed(path, read=2) as checkpoint, pytest.raises(FeedError, match="of 3 lines or more, not 2"):
            checkpoint.check_end()
        with resumed(path, read=3) as checkpoint:
            checkpoint.check_end()


def test_other_topic_is_refused(path: Path) -> None:
    """The lines would be missing there."""
    settled(path, 1)
    with pytest.raises(FeedError, match="tells of the topic t, not u"), Checkpoint.opened(path, "u"):
        pass


@pytest.mark.parametrize(
    "content",
    ["some file", "[]", "{}", json.dumps({"version": 1, "topic": "t", "first_line": "", "lines": 1, "digest": ""})],
)
def test_file_of_another_kind_is_left_alone(path: Path, content: str) -> None:
    """It may be somebody's only copy."""
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FeedError, match="is no file of --resume"), Checkpoint.opened(path, "t"):
        pass
    assert content == path.read_text(encoding="utf-8")


def test_file_in_use_is_refused(path: Path) -> None:
    """Two at once would each take the other's lines for settled; also after it was written anew."""
    with Checkpoint.opened(path, "t") as checkpoint:
        with pytest.raises(FeedError, match="is in use"), Checkpoint.opened(path, "t"):
            pass
        checkpoint.pass_over(1, line(1))
        with pytest.raises(FeedError, match="is in use"), Checkpoint.opened(path, "t"):
            pass
    assert [] == settled(path, 3)


def test_file_that_cannot_be_is_told(tmp_path: Path) -> None:
    """Before the first line is read."""
    with pytest.raises(FeedError, match="cannot be used for --resume"), Checkpoint.opened(tmp_path, "t"):
        pass
