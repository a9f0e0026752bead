"""One child process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Child"]


class Child:
    """One operating system process, started and ended by its id.

    It runs in a session of its own, so that a terminal's Ctrl-C reaches the supervisor only. Belongs to the loop that
    started it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Wrap a running process; use `start`."""
        self._process = process

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        stdin: int | None = asyncio.subprocess.DEVNULL,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> Child:
        """Start `argv`; the streams are as in `asyncio.create_subprocess_exec`, `None` shares ours.

        Raises:
            OSError: the program does not exist, or the system has no room for another process.
        """
        return cls(
            await asyncio.create_subprocess_exec(
                *argv, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
            )
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def stdin(self) -> asyncio.StreamWriter:
        """The pipe to its standard input; it must have been started with one."""
        return _piped(self._process.stdin)

    @property
    def stdout(self) -> asyncio.StreamReader:
        """The pipe from its standard output; it must have been started with one."""
        return _piped(self._process.stdout)

    @property
    def stderr(self) -> asyncio.StreamReader:
        """The pipe from its standard error; it must have been started with one."""
        return _piped(self._process.stderr)

    async def wait(self) -> int:
        """Wait until the process has ended; return its exit code, or the negative number of the signal."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM); does nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End the process at once (SIGKILL); does nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self, timeout_s: float) -> bool:
        """Ask the process to end, and end it after `timeout_s`; return whether asking was enough.

        The process has ended when this returns.
        """
        self.terminate()
        try:
            async with asyncio.timeout(timeout_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()
            return False
        return True


_Stream = TypeVar("_Stream", asyncio.StreamReader, asyncio.StreamWriter)


def _piped(stream: _Stream | None) -> _Stream:
    if stream is None:
        msg = "the process was started without that pipe"
        raise ValueError(msg)
    return stream
