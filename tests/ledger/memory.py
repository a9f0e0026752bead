"""The memory of processes over time."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

__all__ = ["MemoryCurve"]

_MIB = 1024 * 1024
_ROWS = 12
_HELD_SAMPLES = 5


@dataclass
class MemoryCurve:
    """Samples of processes, each under a name of its own: seconds since the first one, and resident bytes."""

    samples: defaultdict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    _began_at: float = field(default_factory=time.monotonic)

    def sample(self, processes: Mapping[str, psutil.Process]) -> None:
        """Take a sample of each of `processes` that still runs."""
        now = time.monotonic() - self._began_at
        for name, process in processes.items():
            try:
                self.samples[name].append((now, process.memory_info().rss))
            except psutil.NoSuchProcess:
                continue

    def growth_bytes(self, name: str) -> int:
        """Return by how much a process has grown beyond what it took while it was warming up, its first third.

        Memory counts that is held for some samples in a row: a worker that checks a password takes 64 MiB for a moment.
        """
        sizes = [size for _, size in self.samples[name]]
        held = [min(sizes[start : start + _HELD_SAMPLES]) for start in range(max(1, len(sizes) - _HELD_SAMPLES + 1))]
        third = max(1, len(held) // 3)
        return max(held[third:], default=0) - max(held[:third])

    def table(self) -> str:
        """Return the curve as a table of a few rows: seconds, and MiB of each process."""
        end = max(taken for samples in self.samples.values() for taken, _ in samples)
        names = list(self.samples)
        lines = ["     s " + " ".join(f"{name:>12}" for name in names)]
        for row in range(_ROWS + 1):
            moment = end * row / _ROWS
            sizes = [self._at(name, moment) for name in names]
            lines.append(
                f"{moment:6.1f} " + " ".join(f"{'-' if size is None else f'{size / _MIB:.0f}':>12}" for size in sizes)
            )
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Write every sample to the CSV file `path`."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("process", "seconds", "resident_bytes"))
            for name, samples in self.samples.items():
                writer.writerows((name, f"{taken:.2f}", size) for taken, size in samples)

    def _at(self, name: str, moment: float) -> int | None:
        """Return the size of a process at the sample nearest to `moment`; `None` where it was not there."""
        taken, size = min(self.samples[name], key=lambda sample: abs(sample[0] - moment))
        return size if abs(taken - moment) <= 1 else None
