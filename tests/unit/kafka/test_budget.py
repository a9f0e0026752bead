"""The budget of records in flight."""

from __future__ import annotations

import asyncio

import pytest

from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.kafka.budget import Budget


def held(budget: Budget) -> tuple[int, int]:
    """Return what is held."""
    return budget.records, budget.size_bytes


def refused(budget: Budget, records: int, size_bytes: int) -> bool:
    """Return whether there is no room; a refusal must leave the budget as it was."""
    before = held(budget)
    try:
        budget.acquire(records, size_bytes)
    except RequestFailed as refusal:
        expected = (Reason.OVERLOADED, Delivered.NO, True)
        failure = refusal.failure
        assert expected == (failure.reason, failure.delivered, failure.retry_delay_s is not None)
        assert before == held(budget)
        return True
    return False


class TestAcquire:
    """Room at once, or a refusal."""

    @pytest.mark.parametrize(
        ("records", "size_bytes", "expected"),
        [(3, 30, False), (4, 0, True), (0, 31, True), (4, 31, True), (0, 0, False)],
    )
    def test_room_is_given_up_to_the_bounds(self, records: int, size_bytes: int, *, expected: bool) -> None:
        """Both bounds are inclusive, and either one refuses alone."""
        budget = Budget(records_max=10, size_bytes_max=100)
        budget.acquire(7, 70)
        assert expected is refused(budget, records, size_bytes)

    def test_released_room_can_be_taken_again(self) -> None:
        """Nothing is lost on the way."""
        budget = Budget(records_max=10, size_bytes_max=100)
        for _ in range(100):
            budget.acquire(10, 100)
            assert refused(budget, 1, 0)
            budget.release(10, 100)
        assert (0, 0) == held(budget)

    @pytest.mark.parametrize(("records", "size_bytes"), [(11, 0), (0, 101)])
    async def test_what_can_never_fit_is_refused_for_good(self, records: int, size_bytes: int) -> None:
        """Nobody is invited to come back, and nobody waits in vain."""
        budget = Budget(records_max=10, size_bytes_max=100)
        with pytest.raises(RequestFailed) as refused:
            budget.acquire(records, size_bytes)
        assert Reason.REQUEST_TOO_LARGE is refused.value.failure.reason
        with pytest.raises(RequestFailed) as refused:
            await budget.acquire_in_turn(records, size_bytes, deadline=asyncio.get_running_loop().time() + 60)
        assert (Reason.REQUEST_TOO_LARGE, (0, 0)) == (refused.value.failure.reason, held(budget))

    def test_refusal_tells_what_is_held_and_what_may_be(self) -> None:
        """An operator sees from the answer which limit to look at."""
        budget = Budget(records_max=10, size_bytes_max=100)
        budget.acquire(7, 70)
        with pytest.raises(RequestFailed, match=r"7.*70.*10.*100"):
            budget.acquire(4, 31)


class TestCheckRoom:
    """The look at the door."""

    def test_room_is_looked_at_without_taking_it(self) -> None:
        """Asking changes nothing."""
        budget = Budget(records_max=1, size_bytes_max=100)
        for _ in range(3):
            budget.check_room(100)
        assert (0, 0) == held(budget)

    def test_what_could_never_fit_is_let_in_to_be_told_so(self) -> None:
        """To wait would be for nothing, and the envelope of a request may be larger than what it will hold."""
        budget = Budget(records_max=1, size_bytes_max=100)
        budget.check_room(101)
        with pytest.raises(RequestFailed) as refusal:
            budget.acquire(1, 101)
        assert Reason.REQUEST_TOO_LARGE is refusal.value.failure.reason

    @pytest.mark.parametrize(("records", "size_bytes"), [(10, 0), (0, 100)])
    def test_full_budget_lets_nothing_in(self, records: int, size_bytes: int) -> None:
        """A request is refused before it is decoded."""
        budget = Budget(records_max=10, size_bytes_max=100)
        budget.acquire(records, size_bytes)
        with pytest.raises(RequestFailed):
            budget.check_room(1)


class TestAcquireInTurn:
    """Room in time, first come first served."""

    @pytest.fixture
    def budget(self) -> Budget:
        """A budget of ten records, all held."""
        budget = Budget(records_max=10, size_bytes_max=100)
        budget.acquire(10, 10)
        return budget

    @staticmethod
    def waiting(budget: Budget, records: int, *, within_s: float = 5.0) -> asyncio.Task[None]:
        """Start to wait for room for `records` records."""
        deadline = asyncio.get_running_loop().time() + within_s
        return asyncio.create_task(budget.acquire_in_turn(records, records, deadline=deadline))

    async def test_free_room_is_taken_at_once(self) -> None:
        """Nobody waits without need."""
        budget = Budget(records_max=10, size_bytes_max=100)
        await budget.acquire_in_turn(10, 100, deadline=asyncio.get_running_loop().time())
        assert (10, 100) == held(budget)

    async def test_waiters_come_in_turn(self, budget: Budget) -> None:
        """Who came first is let in first, also where a later one would fit sooner."""
        large, small = self.waiting(budget, 5), self.waiting(budget, 1)
        await asyncio.sleep(0)
        budget.release(4, 4)
        await asyncio.sleep(0)
        assert (False, False, 6) == (large.done(), small.done(), budget.records)
        budget.release(1, 1)
        await asyncio.sleep(0)
        assert (True, False, 10) == (large.done(), small.done(), budget.records)
        budget.release(1, 1)
        async with asyncio.timeout(5):
            await asyncio.gather(large, small)
        assert (10, 10) == held(budget)

    async def test_one_release_lets_in_everyone_who_fits(self, budget: Budget) -> None:
        """Room for three goes to three."""
        waiters = [self.waiting(budget, 1) for _ in range(4)]
        await asyncio.sleep(0)
        budget.release(3, 3)
        async with asyncio.timeout(5):
            await asyncio.gather(*waiters[:3])
        assert (False, 10) == (waiters[3].done(), budget.records)
        budget.release(1, 1)
        await waiters[3]

    async def test_wait_ends_at_the_deadline(self, budget: Budget) -> None:
        """Then it is a refusal like any other, and the queue is free for the next one."""
        late, patient = self.waiting(budget, 10, within_s=0.02), self.waiting(budget, 1)
        with pytest.raises(RequestFailed) as refusal:
            await late
        assert Reason.OVERLOADED is refusal.value.failure.reason
        budget.release(1, 1)
        async with asyncio.timeout(5):
            await patient
        assert (10, 10) == held(budget)

    async def test_waiter_who_leaves_takes_nothing(self, budget: Budget) -> None:
        """Neither before its turn nor in the very moment of it."""
        for leaves_first in (True, False):
            waiter = self.waiting(budget, 5)
            await asyncio.sleep(0)
            if leaves_first:
                waiter.cancel()
                budget.release(5, 5)
            else:
                budget.release(5, 5)
                waiter.cancel()
            await asyncio.wait([waiter])
            assert (True, (5, 5)) == (waiter.cancelled(), held(budget))
            budget.acquire(5, 5)

    async def test_waiter_behind_one_who_leaves_is_let_in(self, budget: Budget) -> None:
        """A queue does not stand still because its head has gone."""
        head, behind = self.waiting(budget, 10), self.waiting(budget, 1)
        await asyncio.sleep(0)
        budget.release(1, 1)
        await asyncio.sleep(0)
        assert not behind.done()
        head.cancel()
        async with asyncio.timeout(5):
            await behind
        assert (10, 10) == held(budget)
