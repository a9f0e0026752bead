"""A checked batch: what a caller sent, once it is clear that it may be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.principal import Principal
from twinpost_server.core.records import Record

__all__ = ["checked_batch"]

_TOPICS_SHOWN_MAX: Final = 10
"""Topics named in one refusal, so that a request for ten thousand topics cannot make a huge answer."""


def checked_batch(principal: Principal, records: Sequence[Record], limits: Limits) -> RecordBatch:
    """Return `records` as a batch that keeps every rule and limit, for topics that `principal` may write.

    Raises:
        RequestFailed: what `RecordBatch.checked` raises, or TOPIC_FORBIDDEN naming the topics.
    """
    batch = RecordBatch.checked(records, limits)
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
    return batch
