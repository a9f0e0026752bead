"""An example: what its README says to run, run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.brokers.prerequisites import needs_program
from tests.gateway.users import User

__all__ = ["LANGUAGES", "Example", "Run"]

_DIRECTORY = Path(__file__).parents[2] / "examples"

LANGUAGES = {
    "python": ["python3"],
    "go": ["go"],
    "java": ["javac", "mvn"],
    "node": ["node", "npm"],
    "rust": ["cargo"],
}
"""The examples, each with the programs of its toolchain."""

_BUILD_TIMEOUT_S = 600
_RUN_TIMEOUT_S = 50


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an example, at its end.

    Attributes:
        code: the exit status.
        lines: what it printed.
        errors: what it wrote to standard error.
    """

    code: int
    lines: list[str]
    errors: str


class Example:
    """The example in `examples/` for one language."""

    def __init__(self, language: str) -> None:
        """Find it; without the language's toolchain the test is skipped, or fails under `CI=true`."""
        self.language = language
        for program in LANGUAGES[language]:
            needs_program(program, f"build the {language} example")
        self._directory = _DIRECTORY / language
        self._readme = (self._directory / "README.md").read_text(encoding="utf-8")

    def build(self) -> None:
        """Run the commands under 'Build'.

        Raises:
            subprocess.CalledProcessError: one of them failed; what it wrote is on standard output and standard error.
        """
        _bash(self._commands("Build"), self._directory, {}, timeout_s=_BUILD_TIMEOUT_S).check_returncode()

    def run(self, address: str, user: User) -> Run:
        """Run the commands under 'Run' against the gateway at `address`, as `user`."""
        environment = {"GATEWAY_ADDRESS": address, "GATEWAY_USER": user.name, "GATEWAY_PASSWORD": user.password}
        ran = _bash(self._commands("Run"), self._directory, environment, timeout_s=_RUN_TIMEOUT_S, capture=True)
        return Run(ran.returncode, ran.stdout.splitlines(), ran.stderr)

    def _commands(self, heading: str) -> str:
        [commands] = re.findall(rf"^## {heading}\n\n```bash\n(.*?)^```$", self._readme, flags=re.MULTILINE | re.DOTALL)
        assert isinstance(commands, str)
        return commands


def _bash(
    commands: str, directory: Path, environment: dict[str, str], *, timeout_s: float, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    # buf comes with the project's own tools.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", commands],  # noqa: S607 - the developer's bash
        check=False,
        cwd=directory,
        env={**os.environ, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=capture,
        encoding="utf-8",
        timeout=timeout_s,
    )
