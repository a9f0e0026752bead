"""The private directory of one gateway."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinpost_server.supervisor.errors import RunDirectoryError
from twinpost_server.supervisor.run_directory import SOCKET_PATH_BYTES_MAX, RunDirectory


@pytest.fixture
def temporary_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory that temporary ones are made in."""
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        monkeypatch.setattr(tempfile, "tempdir", root)
        yield Path(root)


def test_temporary_directory_is_private_and_vanishes(temporary_root: Path) -> None:
    """Only its owner may reach the sockets, and nothing is left at the end."""
    with RunDirectory.held(None, worker_slots=2) as directory:
        assert 0o700 == stat.S_IMODE(directory.path.stat().st_mode)
        directory.worker_socket(0).touch()
    assert [] == list(temporary_root.iterdir())


def test_directory_left_by_a_killed_gateway_is_removed_by_the_next(temporary_root: Path) -> None:
    """What a killed gateway could not remove goes when the next one starts; a living one's stays."""
    abandoned = temporary_root / "twinpost-abandoned"
    program = textwrap.dedent(f"""
        import os, signal
        from twinpost_server.supervisor.run_directory import RunDirectory
        with RunDirectory.held(None, worker_slots=2) as directory:
            directory.path.rename({str(abandoned)!r})
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    killed = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"TMPDIR": str(temporary_root)}, check=False
    )
    assert (-signal.SIGKILL, True) == (killed.returncode, abandoned.exists())
    with RunDirectory.held(None, worker_slots=2) as living:
        assert not abandoned.exists()
        with RunDirectory.held(None, worker_slots=2) as other:
            assert sorted([living.path, other.path]) == sorted(temporary_root.iterdir())


def test_directory_of_others_is_left_alone(temporary_root: Path) -> None:
    """A directory that only has the name is not ours to remove."""
    namesake = temporary_root / "twinpost-notes"
    namesake.mkdir()
    with RunDirectory.held(None, worker_slots=2):
        pass
    assert namesake.is_dir()


def test_named_directory_is_made_and_removed(temporary_root: Path) -> None:
    """A directory that did not exist does not exist afterwards."""
    path = temporary_root / "a" / "run"
    with RunDirectory.held(path, worker_slots=2) as directory:
        assert path == directory.path
        assert 0o700 == stat.S_IMODE(path.stat().st_mode)
    assert not path.exists()


def test_named_directory_keeps_what_is_not_ours(temporary_root: Path) -> None:
    """A directory that existed stays, with every file in it that twinpost did not make."""
    (temporary_root / "theirs").touch()
    left_behind = temporary_root / "worker-7.sock"  # by a gateway with more workers, which was killed
    _bind(left_behind)
    with RunDirectory.held(temporary_root, worker_slots=2) as directory:
        assert not left_behind.exists()
        for file in (directory.worker_socket(1), directory.envoy_admin_socket):
            _bind(file)
        directory.envoy_configuration.touch()
    assert [temporary_root / "theirs"] == list(temporary_root.iterdir())


def test_named_directory_keeps_files_that_are_called_as_ours_might_be(temporary_root: Path) -> None:
    """Whoever sets `run_dir = "."` still has their users, their Envoy's configuration and whatever is there besides."""
    names = {"users.toml", "envoy.yaml", "lock", "worker-2.sock", "worker-gunicorn.sock"}
    for name in names - {"worker-gunicorn.sock"}:
        (temporary_root / name).touch()
    _bind(temporary_root / "worker-gunicorn.sock")
    with RunDirectory.held(temporary_root, worker_slots=2):
        assert names == {file.name for file in temporary_root.iterdir()} - {"twinpost.lock"}
    assert names == {file.name for file in temporary_root.iterdir()}


@pytest.mark.parametrize("name", ["worker-1.sock", "admin.sock"])
def test_file_in_the_place_of_a_socket_is_refused(temporary_root: Path, name: str) -> None:
    """Envoy and workers would replace it without asking whose it is."""
    file = temporary_root / name
    file.touch()
    with (
        pytest.raises(RunDirectoryError, match=f"{name} in it is a file, and a socket has to go there"),
        RunDirectory.held(temporary_root, worker_slots=2),
    ):
        pass
    assert file.is_file()


def test_admin_socket_of_an_envoy_that_is_not_ours_stays(temporary_root: Path) -> None:
    """Where somebody else runs Envoy, it is theirs, though twinpost has said where it goes."""
    admin_socket = temporary_root / "admin.sock"
    _bind(admin_socket)
    with RunDirectory.held(temporary_root, worker_slots=2, envoy_enabled=False) as directory:
        assert admin_socket == directory.envoy_admin_socket
    assert admin_socket.is_socket()


def test_socket_of_a_worker_that_was_killed_at_its_start_goes(temporary_root: Path) -> None:
    """It had the name that it was opened under."""
    path = temporary_root / "run"
    path.mkdir()
    _bind(path / ".4711")
    with RunDirectory.held(path, worker_slots=2):
        assert not (path / ".4711").exists()


def test_files_in_use_are_told_to_be(temporary_root: Path) -> None:
    """Old ones below /tmp are removed by many systems; files of the operator keep their times."""
    path = temporary_root / "run"
    path.mkdir()
    theirs = path / "users.toml"
    theirs.touch()
    with RunDirectory.held(path, worker_slots=2) as directory:
        _bind(directory.worker_socket(0))
        _bind(directory.envoy_admin_socket)
        ours = [directory.worker_socket(0), directory.envoy_admin_socket, path / "twinpost.lock"]
        for file in (*ours, theirs):
            os.utime(file, (1, 1))
        directory.touch()
        assert all(file.stat().st_mtime > 1 for file in ours)
        assert 1 == theirs.stat().st_mtime


def test_directory_in_use_is_refused(temporary_root: Path) -> None:
    """Two gateways never share their sockets."""
    with (
        RunDirectory.held(temporary_root, worker_slots=2),
        pytest.raises(RunDirectoryError, match="another twinpost runs there"),
        RunDirectory.held(temporary_root, worker_slots=2),
    ):
        pass


def test_directory_can_be_held_again(temporary_root: Path) -> None:
    """A gateway that stopped leaves room for the next one."""
    for _ in range(2):
        with RunDirectory.held(temporary_root, worker_slots=2):
            pass


@pytest.mark.parametrize(("excess_bytes", "accepted"), [(0, True), (1, False)])
def test_path_too_long_for_sockets_is_refused(
    temporary_root: Path,
    excess_bytes: int,
    accepted: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """The operating system would refuse the socket later, and less clearly."""
    room = SOCKET_PATH_BYTES_MAX - len(f"{temporary_root}//worker-1.sock")
    path = temporary_root / ("x" * (room + excess_bytes))
    try:
        with RunDirectory.held(path, worker_slots=2):
            held = True
    except RunDirectoryError as error:
        held = False
        assert "104 bytes, and the operating system takes 103" in str(error)  # noqa: PT017 - not raised in every row
    assert accepted == held
    assert not path.exists()


def test_directory_that_cannot_be_made_is_refused(temporary_root: Path) -> None:
    """A file in the way is named."""
    file = temporary_root / "file"
    file.touch()
    with pytest.raises(RunDirectoryError, match=str(file)), RunDirectory.held(file / "run", worker_slots=2):
        pass


def _bind(path: Path) -> None:
    """Leave a socket behind, as a process does that was killed."""
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
