"""The files that results are kept in: JSON, named for the kind of run, the day and the processor."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import ClassVar, Final, Self

import msgspec

from bench.machine import Machine

__all__ = ["DIRECTORY", "ResultFile", "today"]

DIRECTORY: Final = Path(__file__).parent / "results"
"""Results that are checked in, and that the documents are made from."""


class ResultFile(msgspec.Struct, kw_only=True):
    """The results of one run.

    Attributes:
        PREFIX: what the names of files of this kind begin with.
        date: the day, as in 2026-11-23.
        command: what was typed.
        machine: where.
    """

    PREFIX: ClassVar[str] = ""

    date: str
    command: str
    machine: Machine

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what the file `path` holds.

        Raises:
            msgspec.ValidationError: it holds something else.
        """
        return msgspec.json.decode(path.read_bytes(), type=cls)

    @classmethod
    def newest(cls, directory: Path) -> Self | None:
        """Return the newest results of this kind in `directory`, or None where there are none."""
        paths = sorted(directory.glob(f"{cls.PREFIX}[0-9]*.json"))
        return cls.read(paths[-1]) if paths else None

    def write(self, directory: Path) -> Path:
        """Write a file into `directory` and return its path."""
        cpu = re.sub(r"[^a-z0-9]+", "-", self.machine.cpu.lower()).strip("-")
        path = directory / f"{self.PREFIX}{self.date}-{cpu}.json"
        directory.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path


def today() -> str:
    """Return the day as results name it."""
    return date.today().isoformat()  # noqa: DTZ011 - the day on the wall is meant
