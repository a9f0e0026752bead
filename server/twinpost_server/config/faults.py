"""What is wrong with a configuration, all of it in one report."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import Final

__all__ = ["ConfigError", "Fault", "quoted", "toml_problem"]

_QUOTED_LENGTH_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. Never holds a secret: whatever may be one is not quoted.

    Attributes:
        where: the source with the setting as it is spelled there (`twinpost.toml: listen.port`,
            `environment TWINPOST_LISTEN__PORT`, `flag --port`), or the setting alone, where no source gives it.
        problem: what is wrong, what was expected, what to do.
    """

    where: str
    problem: str

    def __str__(self) -> str:
        """Return the fault as one line."""
        return f"{self.where}: {self.problem}"


class ConfigError(Exception):
    """The configuration, or a file that it names, cannot be used.

    Attributes:
        faults: everything that is wrong, at least one.
    """

    def __init__(self, *faults: Fault) -> None:
        """Carry `faults`."""
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def toml_problem(error: ValueError | RecursionError) -> str:
    """Return what is wrong with a file for which `tomllib.loads` raised `error`."""
    if isinstance(error, tomllib.TOMLDecodeError):
        return f"is not TOML: {error}"
    # What Python's own reader says of numbers and depths that TOML allows.
    return "has a number that is too long, or is nested too deep, to be read"


def quoted(value: object) -> str:
    """Return `value` much as it was written, cut short where it is long, and safe for a terminal."""
    if not isinstance(value, str):
        try:
            return quoted(json.dumps(value, default=str))[1:-1]
        except ValueError:  # TOML's hexadecimal numbers may be longer than Python writes in decimal
            return "a number of thousands of digits"
    return repr(value if len(value) <= _QUOTED_LENGTH_MAX else f"{value[:_QUOTED_LENGTH_MAX]}…")
