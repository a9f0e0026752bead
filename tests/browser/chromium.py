"""Chromium without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil

from tests.brokers.prerequisites import needs_program
from twinpost_server.supervisor import trampoline

__all__ = ["Chromium"]

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_STOP_TIMEOUT_S = 10
_LOG_TAIL_CHARACTERS = 4000


class Chromium:
    """One run of Chromium, with a profile of its own; it dies with this process, however that ends."""

    def __init__(self, url: str, directory: Path) -> None:
        """Open `url`; the profile, the log and whatever else it writes go to `directory`.

        Without Chromium the test is skipped, or fails under `CI=true`.
        """
        program = next(filter(None, map(shutil.which, _PROGRAMS)), None) or needs_program("chromium", "open pages")
        flags = [
            "--headless",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={directory / 'profile'}",
        ]
        if os.geteuid() == 0:
            # Chromium's sandbox refuses to be run by root; the pages here are our own.
            flags.append("--no-sandbox")
        self._log_file = directory / "chromium.log"
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                trampoline.command([str(program), *flags, url]),
                env={**os.environ, "HOME": str(directory), "TMPDIR": str(directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for pytest, which then ends it.
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the browser has not ended."""
        return self._process.poll() is None

    def log_tail(self) -> str:
        """Return the end of what it wrote, for messages."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:]

    def close(self) -> None:
        """End it (SIGTERM, then SIGKILL), with every process of its own."""
        try:
            family = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, left = psutil.wait_procs(family, timeout=_STOP_TIMEOUT_S)
        for process in left:
            process.kill()
