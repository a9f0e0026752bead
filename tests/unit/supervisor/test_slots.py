"""The places that workers listen at."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinpost_server.supervisor.slots import Slot, Slots

SOCKETS = [Path("/r/worker-0.sock"), Path("/r/worker-1.sock"), Path("/r/worker-2.sock")]


def test_lowest_free_slot_is_taken_first() -> None:
    """Workers are numbered from 0, and the spare slot is the last."""
    slots = Slots(SOCKETS)
    assert [Slot(0, SOCKETS[0]), Slot(1, SOCKETS[1])] == [slots.take(), slots.take()]


def test_slot_given_back_is_free_again() -> None:
    """A rolling restart wanders through the slots without needing more of them."""
    slots = Slots(SOCKETS)
    first, second, third = slots.take(), slots.take(), slots.take()
    slots.give_back(second)
    slots.give_back(first)
    assert [first, second] == [slots.take(), slots.take()]
    slots.give_back(third)
    assert third == slots.take()


def test_more_workers_than_slots_is_a_fault() -> None:
    """Nobody is ever given a slot that another one holds."""
    slots = Slots(SOCKETS[:1])
    slots.take()
    with pytest.raises(IndexError):
        slots.take()
