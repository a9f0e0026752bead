"""The places that workers listen at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Slot", "Slots"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One place: Envoy knows its socket from the start, whether a worker is there or not.

    Attributes:
        index: 0 or greater; also the worker's number in its log.
        socket: the unix socket a worker in this slot listens on.
    """

    index: int
    socket: Path


class Slots:
    """One slot more than workers, so that a new worker can stand beside the one it replaces.

    Why: `docs/decisions/0003-processes-and-slots.md`.
    """

    def __init__(self, sockets: list[Path]) -> None:
        """Make a slot of every socket, all of them free."""
        self._free = [Slot(index, socket) for index, socket in enumerate(sockets)]

    def take(self) -> Slot:
        """Take the free slot with the lowest index.

        Raises:
            IndexError: every slot is taken; only a fault of the caller's counting leads here.
        """
        return self._free.pop(0)

    def give_back(self, slot: Slot) -> None:
        """Free a slot whose worker has ended."""
        self._free.append(slot)
        self._free.sort(key=lambda free: free.index)
