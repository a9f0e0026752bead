"""The load generator, and every other program that puts a load on a system: what it is told, and what it answers."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Timer
from typing import Final

import msgspec
import psutil

from bench.case import Protocol
from bench.usage import Parts, Usage

__all__ = ["LOAD_PART", "Load", "LoadFailed", "Order", "Outcome", "Timing"]

LOAD_PART: Final = "load"
"""What the load generator is called among what runs beside a system."""

_PATIENCE_S: Final = 60.0


class LoadFailed(Exception):
    """A load could not be put on a system, or a process of the system ended under it."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long a load lasts: `warm_up_s` before time is taken, then `measure_s`."""

    warm_up_s: float
    measure_s: float


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the load generator is told; `bench/load/order.go` explains the fields."""

    protocol: Protocol
    address: str
    target: str
    bodies: tuple[bytes, ...]
    records: int
    connections: int
    warm_up_s: float
    measure_s: float
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    needle: str = ""
    results_field: int = 0
    window: int = 0
    rate_per_s: float = 0.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load; the fields are those of `bench.sample.Sample`."""

    requests: int
    records: int
    seconds: float
    latency_us: dict[str, float]
    unsent: int = 0
    errors: int = 0
    error: str = ""


class _Event(msgspec.Struct, frozen=True):
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A program that puts a load on something, ready to run.

    It reads what it is told from standard input, and writes a line of JSON for each event to standard output: `begin`
    and `end` of the time that counts, at the very moment, and at last an `Outcome`.

    Attributes:
        command: the program and its arguments.
        told: what it is told.
        lasts_s: how long it takes at least.
    """

    command: Sequence[str]
    told: bytes
    lasts_s: float

    def run(self, parts: Parts | None, beside: Mapping[str, Sequence[psutil.Process]]) -> tuple[Outcome, Usage]:
        """Run it and take what is used from its `begin` to its `end`.

        Args:
            parts: the system that it is put on; None where the program is the system as well.
            beside: what runs beside the system and is not part of it.

        Raises:
            LoadFailed: see the class.
        """
        pipe = subprocess.PIPE
        with subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=pipe) as popen:
            process = psutil.Process(popen.pid)
            watchdog = Timer(self.lasts_s + _PATIENCE_S, popen.kill)
            watchdog.start()
            usage = Usage(
                {"server": [process]} if parts is None else parts,
                dict(beside) if parts is None else {**beside, LOAD_PART: [process]},
            )
            try:
                with usage.watched():
                    outcome = self._outcome(popen, usage)
            except psutil.NoSuchProcess as error:
                msg = f"a process ended under the load: {error}"
                raise LoadFailed(msg) from None
            finally:
                watchdog.cancel()
                popen.kill()
        return outcome, usage

    def _outcome(self, popen: subprocess.Popen[bytes], usage: Usage) -> Outcome:
        assert popen.stdin is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        popen.stdin.write(self.told)
        popen.stdin.close()
        for line in popen.stdout:
            match msgspec.json.decode(line, type=_Event).event:
                case "begin":
                    usage.begin()
                case "end":
                    usage.end()
                case _:
                    return msgspec.json.decode(line, type=Outcome)
        why = popen.stderr.read().decode(errors="replace").strip()
        msg = f"the load ended early: {why or 'it was stopped'}"
        raise LoadFailed(msg)
