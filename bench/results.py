"""The results of a run: every sample, and what it needs to be understood later. Kept as JSON."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from bench.machine import Machine
from bench.sample import Sample

__all__ = ["DIRECTORY", "Results", "today"]

DIRECTORY: Final = Path(__file__).parent / "results"


class Results(msgspec.Struct, kw_only=True):
    """What one run measured.

    Attributes:
        date: the day, as in 2026-11-23.
        command: what was typed.
        versions: what each system was, exactly.
        unavailable: systems that could not be had, and why.
        starts: how long systems took until they were ready, in seconds, each time.
        samples: everything that was measured, in order.
    """

    date: str
    command: str
    machine: Machine
    versions: dict[str, str] = {}
    unavailable: dict[str, str] = {}
    starts: dict[str, list[float]] = {}
    samples: list[Sample] = []

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return what the file `path` holds.

        Raises:
            msgspec.ValidationError: it holds something else.
        """
        return msgspec.json.decode(path.read_bytes(), type=cls)

    @classmethod
    def newest(cls, directory: Path) -> Results | None:
        """Return the newest results of whole runs in `directory`, or None where there are none."""
        paths = sorted(directory.glob("[0-9]*.json"))
        return cls.read(paths[-1]) if paths else None

    def write(self, directory: Path) -> Path:
        """Write a file into `directory`, named for the day and the processor, and return its path."""
        cpu = re.sub(r"[^a-z0-9]+", "-", self.machine.cpu.lower()).strip("-")
        path = directory / f"{self.date}-{cpu}.json"
        directory.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path

    def of(self, case: str, system: str) -> dict[int, Sample]:
        """Return the samples of `system` in `case`, by round."""
        return {sample.round: sample for sample in self.samples if (sample.case, sample.system) == (case, system)}


def today() -> str:
    """Return the day as results name it."""
    return date.today().isoformat()  # noqa: DTZ011 - the day on the wall is meant
