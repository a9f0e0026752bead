"""The load generator: the program in `bench/load`, run once for each load."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Timer

import msgspec
import psutil

from bench.case import Protocol
from bench.usage import Parts, Usage

__all__ = ["LoadFailed", "LoadGenerator", "Order", "Outcome", "Timing", "measured"]

_PATIENCE_S = 60.0


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
    body: bytes
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
    errors: int = 0
    error: str = ""


class _Event(msgspec.Struct, frozen=True):
    event: str


class LoadGenerator:
    """Puts loads on systems, one at a time."""

    def __init__(self, program: Path) -> None:
        """Use `program`, as built from `bench/load`."""
        self._program = program

    def run(self, order: Order, parts: Parts) -> tuple[Outcome, Usage]:
        """Put a load on the system whose processes are `parts`, and return what came of it and what it took.

        Raises:
            LoadFailed: see the class.
        """
        return measured(
            [str(self._program)],
            msgspec.json.encode(order),
            lambda _process: parts,
            timeout_s=order.warm_up_s + order.measure_s + _PATIENCE_S,
        )


def measured(
    command: Sequence[str], told: bytes, parts_of: Callable[[psutil.Process], Parts], *, timeout_s: float
) -> tuple[Outcome, Usage]:
    """Run a program that speaks as the load generator does, and take what `parts` use from its `begin` to its `end`.

    Args:
        command: the program.
        told: what it reads from its standard input.
        parts_of: tells the parts, from the program's process.
        timeout_s: when to give up.

    Raises:
        LoadFailed: see the class.
    """
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        watchdog = Timer(timeout_s, process.kill)
        watchdog.start()
        try:
            with Usage.watched(parts_of(psutil.Process(process.pid))) as usage:
                outcome = _outcome(process, told, usage)
        except psutil.NoSuchProcess as error:
            msg = f"a process of the system ended: {error}"
            raise LoadFailed(msg) from None
        finally:
            watchdog.cancel()
            process.kill()
    return outcome, usage


def _outcome(process: subprocess.Popen[bytes], told: bytes, usage: Usage) -> Outcome:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(told)
    process.stdin.close()
    for line in process.stdout:
        match msgspec.json.decode(line, type=_Event).event:
            case "begin":
                usage.begin()
            case "end":
                usage.end()
            case _:
                return msgspec.json.decode(line, type=Outcome)
    msg = (
        f"the load generator ended early: {process.stderr.read().decode(errors='replace').strip() or 'no reason given'}"
    )
    raise LoadFailed(msg)
