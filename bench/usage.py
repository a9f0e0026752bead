"""The processor time and memory of processes, as /proc tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import psutil

__all__ = ["OTHERS", "Parts", "Usage"]

Parts = Mapping[str, Sequence[psutil.Process]]
"""The processes of each part of a system, by the part's name."""

OTHERS: Final = "others"
"""Everything else that the machine does, among what runs beside a system."""

_LOOK_AGAIN_S: Final = 0.2


class Usage:
    """What a system uses, and what is used beside it.

    Attributes:
        cpu_s: processor time of each part of the system from `begin` to `end`, its ended children included.
        beside_cpu_s: the same of what runs beside it, and of everything else on the machine: on a quiet one next to
            nothing.
        rss_bytes: the most memory of each part, looked at several times a second while it was watched.
    """

    def __init__(self, parts: Parts, beside: Parts) -> None:
        """Prepare to measure `parts` and what runs `beside` them."""
        self._parts = parts
        self._beside = beside
        self._before: dict[str, float] = {}
        self._busy_before_s = 0.0
        self.cpu_s: dict[str, float] = {}
        self.beside_cpu_s: dict[str, float] = {}
        self.rss_bytes: dict[str, int] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the memory until the end of the block."""
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(ended,))
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def begin(self) -> None:
        """Take the processor times as they are now.

        Raises:
            psutil.NoSuchProcess: a process has ended.
        """
        self._busy_before_s = _busy_s()
        self._before = self._taken_s()

    def end(self) -> None:
        """Tell the processor times from those at `begin`.

        Raises:
            psutil.NoSuchProcess: a process has ended.
        """
        # The clock counts in hundredths; further digits are none.
        spent = {name: round(after - self._before[name], 2) for name, after in self._taken_s().items()}
        self.cpu_s = {part: spent[part] for part in self._parts}
        self.beside_cpu_s = {name: spent[name] for name in self._beside}
        others_s = _busy_s() - self._busy_before_s - sum(spent.values())
        # Clocks of a hundredth of a second, read one after the other, may leave a little less than nothing.
        self.beside_cpu_s[OTHERS] = max(0.0, round(others_s, 2))

    def _taken_s(self) -> dict[str, float]:
        return {name: _cpu_s(processes) for name, processes in {**self._beside, **self._parts}.items()}

    def _watch(self, ended: threading.Event) -> None:
        while True:
            for part, processes in self._parts.items():
                held = sum(_rss_bytes(process) for process in processes)
                self.rss_bytes[part] = max(held, self.rss_bytes.get(part, 0))
            if ended.wait(_LOOK_AGAIN_S):
                return


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


def _busy_s() -> float:
    """Return the processor time that the machine has spent, or lost to other machines, so far."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.irq + times.softirq + times.nice + times.steal)


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        # Whoever takes the processor times says so.
        return 0
