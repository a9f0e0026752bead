"""Produce: write the records of one request."""

from __future__ import annotations

from collections.abc import Sequence

from twinpost_server.app.checked import checked_batch
from twinpost_server.core.errors import Outcome, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.ports import RecordSink
from twinpost_server.core.principal import Principal
from twinpost_server.core.records import Record

__all__ = ["Produce"]


class Produce:
    """Checks the whole request, then writes it: one bad record means that nothing is written."""

    def __init__(self, sink: RecordSink, limits: Limits) -> None:
        """Write to `sink` what keeps `limits`."""
        self._sink = sink
        self._limits = limits

    async def __call__(self, principal: Principal, records: Sequence[Record], *, deadline: float) -> list[Outcome]:
        """Write `records` for `principal` and return what became of each, in request order.

        Args:
            principal: who asks; must hold the right to every topic named.
            records: in request order; none at all writes nothing.
            deadline: when the answer must be there, on the running loop's clock.

        Raises:
            RequestFailed: nothing was written: a broken rule, a missing right, a quota used up, or what
                `RecordSink.write` raises.
        """
        if not records:
            return []
        batch = checked_batch(principal, records, self._limits)
        principal.charge(len(records), batch.size_bytes)
        try:
            return await self._sink.write(batch, deadline=deadline)
        except RequestFailed:
            # Nothing was handed over.
            principal.refund(len(records), batch.size_bytes)
            raise
