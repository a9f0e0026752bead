"""Produce a stream: write the steps of one stream, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from twinpost_server.app.checked import checked_batch
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Outcome, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.outcomes import all_failed
from twinpost_server.core.ports import PendingWrite, RecordSink
from twinpost_server.core.principal import Principal
from twinpost_server.core.records import Record

__all__ = ["ProduceStream"]


class ProduceStream:
    """One stream: each step is checked as a request of its own, and handed over before the next one is looked at."""

    def __init__(self, sink: RecordSink, limits: Limits) -> None:
        """Write to `sink` what keeps `limits`; make one for every stream."""
        self._stream = sink.open_stream()
        self._limits = limits

    async def step(self, principal: Principal, records: Sequence[Record], *, deadline: float) -> PendingWrite:
        """Hand over `records` for `principal`, and return what will tell what became of each.

        Waits for room, and for the caller's quota, where there is none, which is what slows a fast caller down. A step
        that is refused does not end the stream: its outcomes are the refusal, for each of its records.

        Args:
            principal: who asks; must hold the right to every topic named.
            records: in the order to store them.
            deadline: when the outcomes must be there, on the running loop's clock.
        """
        if not records:
            return _Told([])
        try:
            batch = checked_batch(principal, records, self._limits)
            await _charged(principal, batch, deadline)
            try:
                return await self._stream.enqueue(batch, deadline=deadline)
            except BaseException:
                # Nothing was handed over, whether it was refused or its caller left.
                principal.refund(len(records), batch.size_bytes)
                raise
        except RequestFailed as failed:
            return _Told(all_failed(failed.failure, len(records)))


async def _charged(principal: Principal, batch: RecordBatch, deadline: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            principal.charge(len(batch.records), batch.size_bytes)
        except RequestFailed as exceeded:
            left_s = deadline - loop.time()
            if left_s <= 0:
                raise
            # Also where that will not do: a step that is refused at once makes room for the next one at once.
            await asyncio.sleep(min(left_s, exceeded.failure.retry_delay_s or 0.0))
        else:
            return


class _Told:
    """Implements `core.ports.PendingWrite` where everything is known already."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._outcomes = outcomes

    async def outcomes(self) -> list[Outcome]:
        return self._outcomes
