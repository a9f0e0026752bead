"""The private directory of one gateway: its sockets, Envoy's configuration, its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twinpost_server.supervisor.errors import RunDirectoryError

__all__ = ["SOCKET_PATH_BYTES_MAX", "RunDirectory"]

SOCKET_PATH_BYTES_MAX: Final = 103
"""Longest path of a unix socket: macOS holds 104 bytes with the closing zero (Linux 108), see unix(4)."""

_PREFIX: Final = "twinpost-"
_LOCK: Final = "twinpost.lock"
_WORKER_SOCKET: Final = re.compile(r"worker-[0-9]+\.sock|\.[0-9]+")
"""A worker's; or what one that was killed meanwhile had not renamed to that yet, `.` and its process id."""


class RunDirectory:
    """A directory held by this process for as long as it lives.

    The lock in it is the proof of life: the kernel lets go of it however the process ends, so what a killed supervisor
    left behind is known as such, and removed, by the next one that starts.

    Attributes:
        path: the directory, absolute.
    """

    def __init__(self, path: Path, *, envoy_enabled: bool = True) -> None:
        """Name the paths in `path`; use `held`."""
        self.path = path
        self._envoy_enabled = envoy_enabled

    @classmethod
    @contextlib.contextmanager
    def held(cls, path: Path | None, *, worker_slots: int, envoy_enabled: bool = True) -> Iterator[RunDirectory]:
        """Make and hold a directory, and remove what is ours of it at the end.

        Args:
            path: the directory the operator names: it is made if it does not exist, else used with the permissions it
                has, and only our own files are removed from it. `None` makes a temporary one, which is removed whole.
            worker_slots: how many worker sockets it must have room for.
            envoy_enabled: whether Envoy is ours; the admin socket of one that somebody else starts is theirs.

        Raises:
            RunDirectoryError: it cannot be made, another gateway holds it, its path is too long for sockets, or
                somebody's file is where one has to go.
        """
        if path is None:
            _remove_left_behind(Path(tempfile.gettempdir()))
        with contextlib.ExitStack() as stack:
            try:
                held = stack.enter_context(_temporary() if path is None else _named(path.absolute()))
                directory = cls(held, envoy_enabled=envoy_enabled)
            except OSError as error:
                where = path or Path(tempfile.gettempdir())
                problem = f"{error.strerror or error}; give run_dir a directory that this user may write"
                raise RunDirectoryError(where, problem) from error
            directory.require_short_paths(worker_slots)
            stack.callback(directory.remove_files)
            directory.remove_files()
            directory.require_room(worker_slots)
            yield directory

    @property
    def envoy_admin_socket(self) -> Path:
        """The unix socket of Envoy's admin interface."""
        return self.path / "admin.sock"

    @property
    def envoy_configuration(self) -> Path:
        """The file that Envoy reads its configuration from, under a name that nobody gives to a file of their own."""
        return self.path / "twinpost-envoy.yaml"

    @property
    def users_file(self) -> Path:
        """The users file of `twinpost dev`, whose directory is a temporary one and goes whole."""
        return self.path / "users.toml"

    def worker_socket(self, index: int) -> Path:
        """Return the unix socket of the worker slot `index`."""
        return self.path / f"worker-{index}.sock"

    def require_short_paths(self, worker_slots: int) -> None:
        """Return if every socket's path is short enough for the operating system.

        Raises:
            RunDirectoryError: one is too long.
        """
        longest = max(
            (self.worker_socket(worker_slots - 1), self.envoy_admin_socket), key=lambda p: len(os.fsencode(p))
        )
        length = len(os.fsencode(longest))
        if length > SOCKET_PATH_BYTES_MAX:
            problem = (
                f"the socket {longest.name} in it has a path of {length} bytes, and the operating system takes "
                f"{SOCKET_PATH_BYTES_MAX}; set run_dir (or TMPDIR) to a shorter path"
            )
            raise RunDirectoryError(self.path, problem)

    def require_room(self, worker_slots: int) -> None:
        """Return if no file is in the place of a socket; whoever opens the socket would remove it without asking.

        Raises:
            RunDirectoryError: one is.
        """
        sockets = [self.worker_socket(index) for index in range(worker_slots)]
        if self._envoy_enabled:
            sockets.append(self.envoy_admin_socket)
        for socket in sockets:
            if socket.exists():
                problem = (
                    f"{socket.name} in it is a file, and a socket has to go there; move it, or give another run_dir"
                )
                raise RunDirectoryError(self.path, problem)

    def remove_files(self) -> None:
        """Remove every file that twinpost makes here, now or left behind by a gateway that was killed.

        The operator may keep files of theirs here: only sockets go, of our names, and what nobody else calls so.
        """
        for file in self._sockets():
            file.unlink(missing_ok=True)
        self.envoy_configuration.unlink(missing_ok=True)

    def touch(self) -> None:
        """Say that the files here are in use: where this is below /tmp, old ones may be removed (tmpfiles.d(5)).

        That spares sockets, but only under the name that they were opened with, which a worker's is not.
        """
        # Whatever prevents it: there is time until the next one.
        with contextlib.suppress(OSError):
            for file in (self.path, self.path / _LOCK, self.envoy_configuration, *self._sockets()):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(file)

    def _sockets(self) -> list[Path]:
        # A glob, which finds nothing in a directory that is gone or cannot be listed; that is nothing to fail for.
        names = [file for file in self.path.glob("*") if _WORKER_SOCKET.fullmatch(file.name)]
        if self._envoy_enabled:
            names.append(self.envoy_admin_socket)
        return [file for file in names if file.is_socket()]


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    # It gets the name that `_remove_left_behind` looks for only once it is locked, so never while it looks abandoned.
    nascent = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    with _locked(nascent):
        directory = nascent.rename(nascent.with_name(nascent.name.removeprefix(".")))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _named(directory: Path) -> Iterator[Path]:
    try:
        directory.mkdir(mode=0o700, parents=True)
        made = True
    except FileExistsError:
        made = False
    with _locked(directory):
        try:
            yield directory
        finally:
            (directory / _LOCK).unlink(missing_ok=True)
            if made:
                with contextlib.suppress(OSError):  # somebody keeps a file of theirs here: it stays
                    directory.rmdir()


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    file = directory / _LOCK
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another twinpost runs there; stop it, or give this one a run_dir of its own"
            raise RunDirectoryError(directory, problem) from None
        # A gateway that stops removes its lock file and then lets go of it. If that happened between our open and our
        # lock, we hold a file that nobody will ever see.
        if not file.exists() or not os.path.samestat(file.stat(), os.fstat(descriptor)):
            raise RunDirectoryError(directory, "another twinpost was just stopping there; start again")
        yield
    finally:
        os.close(descriptor)


def _remove_left_behind(parent: Path) -> None:
    """Remove the temporary directories under `parent` whose gateway was killed."""
    for directory in parent.glob(f"{_PREFIX}*"):
        # Only what this user made by `_temporary`: a directory, not a link to one, with a lock that nobody holds.
        with contextlib.suppress(OSError, RunDirectoryError):
            status = directory.lstat()
            if status.st_uid != os.getuid() or directory.is_symlink() or not (directory / _LOCK).is_file():
                continue
            with _locked(directory):
                shutil.rmtree(directory, ignore_errors=True)
