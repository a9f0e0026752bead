"""Why twinpost cannot start, or stops by itself."""

from __future__ import annotations

from pathlib import Path

from twinpost_server.supervisor.ending import Ending
from twinpost_server.supervisor.restart_budget import Exhausted

__all__ = [
    "CrashLoopError",
    "PortUnavailableError",
    "ProcessLostError",
    "RollingRestartError",
    "RunDirectoryError",
    "StartFailedError",
    "StopForcedError",
    "SupervisorError",
]


class SupervisorError(Exception):
    """The gateway cannot run; the text is for the operator: what was wrong, what was expected, what to do."""


class PortUnavailableError(SupervisorError):
    """The address cannot be listened on.

    Attributes:
        host: the address that was asked for.
        port: the port that was asked for.
    """

    def __init__(self, host: str, port: int, problem: str) -> None:
        """Name the address and its problem."""
        super().__init__(f"cannot listen on {host}:{port}: {problem}")
        self.host = host
        self.port = port


class RunDirectoryError(SupervisorError):
    """The directory for sockets cannot be used.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: Path, problem: str) -> None:
        """Name the directory and its problem."""
        super().__init__(f"cannot use {path} as run_dir: {problem}")
        self.path = path


class ProcessLostError(SupervisorError):
    """A process ended and is not started again.

    Attributes:
        ending: which process, and how it ended.
    """

    def __init__(self, ending: Ending, consequence: str) -> None:
        """Say how the process ended, what it wrote last, and what follows from it."""
        quoted = "".join(f"\n  {line}" for line in ending.last_lines)
        super().__init__(f"{ending}: {consequence}{quoted}")
        self.ending = ending


class StartFailedError(ProcessLostError):
    """A process ended by itself before it had ever worked; starting it again could not mend that."""

    def __init__(self, ending: Ending) -> None:
        """Say how the process ended and what it wrote last."""
        super().__init__(ending, "it never got to work, so its configuration or installation is at fault")


class CrashLoopError(ProcessLostError):
    """A process failed too often.

    Attributes:
        exhausted: how often that was.
    """

    def __init__(self, ending: Ending, exhausted: Exhausted) -> None:
        """Say how the process ended last and how often it did."""
        when = "in a row before it got to work" if exhausted.window_s is None else f"within {exhausted.window_s:g} s"
        super().__init__(
            ending,
            f"that was failure {exhausted.failures} {when}, so it is not started again "
            "(workers.restart_limit, workers.restart_window_s); its log above says why it fails",
        )
        self.exhausted = exhausted


class RollingRestartError(SupervisorError):
    """A rolling restart was given up; the workers that were not replaced yet go on."""


class StopForcedError(SupervisorError):
    """The stop was asked for again while it was under way."""

    def __init__(self) -> None:
        """Say what that means."""
        super().__init__("stopped by force: requests in flight were cut off, and what became of them is unknown")
