"""The budget: any sequence of callers who come, wait, leave and finish."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.errors import RequestFailed
from twinpost_server.kafka.budget import Budget

RECORDS_MAX = 10
STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "wait", "leave", "finish", "yield"]), st.integers(0, RECORDS_MAX)),
    max_size=40,
)


class Callers:
    """Callers of one budget.

    Attributes:
        budget: what they share.
        holding: what those who were let in hold.
        waiting: those who wait, by how much they want, first come first.
    """

    def __init__(self) -> None:
        """Nobody is there yet."""
        self.budget = Budget(records_max=RECORDS_MAX, size_bytes_max=RECORDS_MAX)
        self.holding: list[int] = []
        self.waiting: list[tuple[int, asyncio.Task[None]]] = []
        self._deadline = asyncio.get_running_loop().time() + 60

    def step(self, action: str, number: int) -> None:
        """Do one thing."""
        if action == "take":
            try:
                self.budget.acquire(number, number)
            except RequestFailed:
                return
            self.holding.append(number)
        elif action == "wait":
            waiting = self.budget.acquire_in_turn(number, number, deadline=self._deadline)
            self.waiting.append((number, asyncio.create_task(waiting)))
        elif action == "leave" and self.waiting:
            self.waiting[number % len(self.waiting)][1].cancel()
        elif action == "finish" and self.holding:
            held = self.holding.pop(number % len(self.holding))
            self.budget.release(held, held)

    async def settle(self) -> None:
        """Let every task that can go on do so, and note who was let in."""
        for _ in range(4):
            await asyncio.sleep(0)
        self.holding += [number for number, task in self.waiting if task.done() and not task.cancelled()]
        self.waiting = [(number, task) for number, task in self.waiting if not task.done()]


async def _play(steps: list[tuple[str, int]]) -> None:
    callers = Callers()
    for action, number in steps:
        callers.step(action, number)
        assert 0 <= callers.budget.records <= RECORDS_MAX
        if action == "yield":
            await callers.settle()
    await callers.settle()
    held = sum(callers.holding)
    assert (held, held) == (callers.budget.records, callers.budget.size_bytes)
    if callers.waiting:
        # Nobody waits for what is there.
        assert callers.waiting[0][0] > RECORDS_MAX - held
    while callers.holding:
        callers.step("finish", 0)
        await callers.settle()
    # All others have gone, so that everyone was let in, one after the other.
    assert ([], 0, 0) == (callers.waiting, callers.budget.records, callers.budget.size_bytes)


@given(STEPS)
def test_budget_is_kept_and_given_back(steps: list[tuple[str, int]]) -> None:
    """Never over the bound, never below zero, nothing lost, and nobody left waiting."""
    asyncio.run(_play(steps))
