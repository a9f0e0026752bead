"""The machine that figures are from, as far as it matters to them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec
import psutil

__all__ = ["Machine", "this_machine"]

_GIB = 1024**3


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, without anything that tells which one it is.

    Attributes:
        cpu: the model, as the processor calls itself.
        cores: how many this process may use.
        memory_gib: all of it, rounded.
        system: the operating system with its kernel's version.
        python: the version that ran the Python systems.
    """

    cpu: str
    cores: int
    memory_gib: int
    system: str
    python: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.cpu}, {self.cores} cores, {self.memory_gib} GiB, {self.system}, Python {self.python}"


def this_machine() -> Machine:
    """Return the machine that this runs on."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / _GIB),
        # Builders add names of their own behind the version.
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()
