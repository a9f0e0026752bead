"""Produce: write the records of one request."""

from __future__ import annotations

from collections.abc import Sequence

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Outcome, Reason, RequestFailed
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
            RequestFailed: nothing was written: a broken rule, a missing right, or what `RecordSink.write` raises.
        """
        if not records:
            return []
        batch = RecordBatch.checked(records, self._limits)
        forbidden = sorted(topic for topic in batch.topics if not principal.may_write(topic))
        if forbidden:
            shown = ", ".join(forbidden[:_TOPICS_SHOWN_MAX]) + (" and more" if forbidden[_TOPICS_SHOWN_MAX:] else "")
            raise RequestFailed(
                Failure(
                    reason=Reason.TOPIC_FORBIDDEN,
                    message=(
                        f"user {principal.name} may not write {shown}: ask the gateway's operator for the right; "
                        "nothing was written"
                    ),
                )
            )
        return await self._sink.write(batch, deadline=deadline)


_TOPICS_SHOWN_MAX = 10
"""Topics named in one refusal, so that a request for ten thousand topics cannot make a huge answer."""
