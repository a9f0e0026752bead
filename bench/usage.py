"""The processor time and memory of processes, as /proc tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

__all__ = ["Parts", "Usage", "measured_cpu_s"]

Parts = Mapping[str, Sequence[psutil.Process]]
"""The processes of each part of a system, by the part's name."""

_LOOK_AGAIN_S = 0.2


@dataclass
class Usage:
    """What the parts of a system use, from `begin` to `end`. Call from one thread.

    Attributes:
        cpu_s: processor time of each part from `begin` to `end`.
        rss_bytes: the most memory of each part so far, taken several times a second.
    """

    parts: Parts
    cpu_s: dict[str, float] = field(default_factory=dict)
    rss_bytes: dict[str, int] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def watched(cls, parts: Parts) -> Iterator[Usage]:
        """Watch the memory of `parts` until the end of the block."""
        usage = cls(parts)
        watcher = threading.Thread(target=usage._watch)
        watcher.start()
        try:
            yield usage
        finally:
            usage._ended.set()
            watcher.join()

    def begin(self) -> None:
        """Take the processor times as they are now.

        Raises:
            psutil.NoSuchProcess: a process has ended.
        """
        self._before = {part: measured_cpu_s(processes) for part, processes in self.parts.items()}

    def end(self) -> None:
        """Tell the processor times from those at `begin`.

        Raises:
            psutil.NoSuchProcess: a process has ended.
        """
        after = {part: measured_cpu_s(processes) for part, processes in self.parts.items()}
        self.cpu_s = {part: after[part] - self._before[part] for part in after}

    def _watch(self) -> None:
        while True:
            for part, processes in self.parts.items():
                held = sum(_rss_bytes(process) for process in processes)
                self.rss_bytes[part] = max(held, self.rss_bytes.get(part, 0))
            if self._ended.wait(_LOOK_AGAIN_S):
                return


def measured_cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time that `processes`, and children of theirs that have ended, have taken so far.

    Raises:
        psutil.NoSuchProcess: one of them has ended.
    """
    times = [process.cpu_times() for process in processes]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        # Whoever takes the processor times says so.
        return 0
