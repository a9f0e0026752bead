"""The workers together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from twinpost_server.polling import until
from twinpost_server.supervisor.errors import RollingRestartError, SupervisorError
from twinpost_server.supervisor.keeper import Keeper, Kept
from twinpost_server.supervisor.restart_budget import RestartBudget
from twinpost_server.supervisor.slots import Slot, Slots

__all__ = ["REPLACEMENT_TIMEOUT_S", "Crew", "MayReplace", "StartWorker", "Worker"]

REPLACEMENT_TIMEOUT_S: Final = 60.0
"""How long a rolling restart waits until a new worker does what the old ones do."""


class Worker(Kept, Protocol):
    """A running worker."""

    def end_streams(self) -> None:
        """Ask it to end every stream once what it has sent is answered; other requests go on."""
        ...


StartWorker = Callable[[Slot, Callable[[], None]], Awaitable[Worker]]
MayReplace = Callable[[Slot], Awaitable[bool]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Member:
    slot: Slot
    keeper: Keeper


class Crew:
    """The workers, each kept in a slot of its own, and one slot free."""

    def __init__(
        self,
        slots: Slots,
        start_worker: StartWorker,
        new_budget: Callable[[], RestartBudget],
        on_given_up: Callable[[BaseException], None],
    ) -> None:
        """Make a crew without members.

        Args:
            slots: where workers can be; one more than the crew will have members.
            start_worker: starts a worker in a slot.
            new_budget: makes the budget of a new member's failures.
            on_given_up: called on the loop when a member fails too often.
        """
        self._slots = slots
        self._start_worker = start_worker
        self._new_budget = new_budget
        self._on_given_up = on_given_up
        self._members: list[_Member] = []
        self._candidate: _Member | None = None
        self._workers: dict[Slot, Worker] = {}
        self._streams_ended = False

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Where the workers are."""
        return tuple(member.slot for member in self._members)

    def hire(self, count: int) -> None:
        """Start `count` workers; they are not up yet when this returns."""
        for _ in range(count):
            self._enrol(self._engage())

    async def wait_up(self) -> None:
        """Wait until every worker serves.

        Raises:
            SupervisorError: one was given up first.
        """
        await asyncio.gather(*(member.keeper.wait_up() for member in self._members))

    async def roll(self, may_replace: MayReplace) -> None:
        """Replace every worker by a new one, one after the other, without a moment with fewer than before.

        Safe to cancel: a worker that was being added or removed is ended by `retire`.

        Args:
            may_replace: tells whether the worker in a slot, which serves, does what the old ones do.

        Raises:
            RollingRestartError: a new worker did not get to work; the old ones not replaced yet go on.
        """
        for old in tuple(self._members):
            await self._add(may_replace)
            # The order counts: from here on the old worker may end without being started again, or missed.
            await self._remove(old)
        _log.info("rolling restart done", workers=len(self._members))

    def end_streams(self) -> None:
        """Ask every worker to end its streams, those that are still to start, too; other requests go on."""
        self._streams_ended = True
        for worker in self._workers.values():
            worker.end_streams()

    async def retire(self) -> None:
        """End every worker politely, all at once."""
        await asyncio.gather(*(member.keeper.retire() for member in self._everyone()))

    def kill(self) -> None:
        """End every worker at once."""
        for member in self._everyone():
            member.keeper.kill()

    async def _add(self, may_replace: MayReplace) -> None:
        candidate = self._candidate = self._engage()

        async def takes_over() -> bool:
            await candidate.keeper.wait_up()
            return await may_replace(candidate.slot)

        try:
            async with asyncio.timeout(REPLACEMENT_TIMEOUT_S):
                await until(takes_over)
        except (TimeoutError, SupervisorError) as error:
            await candidate.keeper.retire()
            self._slots.give_back(candidate.slot)
            self._candidate = None
            too_late = (
                f"the new {candidate.keeper.name} did not get requests, or not reach the brokers while another "
                f"worker did, within {REPLACEMENT_TIMEOUT_S:g} s"
            )
            raise RollingRestartError(str(error) if isinstance(error, SupervisorError) else too_late) from error
        self._candidate = None
        self._enrol(candidate)

    async def _remove(self, member: _Member) -> None:
        await member.keeper.retire()
        self._members.remove(member)
        self._slots.give_back(member.slot)

    def _engage(self) -> _Member:
        slot = self._slots.take()

        async def start(on_up: Callable[[], None]) -> Worker:
            worker = self._workers[slot] = await self._start_worker(slot, on_up)
            if self._streams_ended:
                worker.end_streams()
            return worker

        return _Member(slot, Keeper(f"worker {slot.index}", start, self._new_budget()))

    def _enrol(self, member: _Member) -> None:
        self._members.append(member)
        member.keeper.on_given_up(self._on_given_up)

    def _everyone(self) -> tuple[_Member, ...]:
        return (*self._members, *(() if self._candidate is None else (self._candidate,)))
