"""The topics the cluster has, as far as callers have asked for them."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from twinpost_server.core.errors import Failure, Reason, RequestFailed
from twinpost_server.kafka.translate import rule_of

__all__ = ["TopicCatalog"]

_TOPICS_MAX: Final = 100_000
"""Topics remembered. A name gets in only if the cluster has the topic, so callers cannot fill it with inventions."""

_MISSING_MAX: Final = 10_000
_MISSING_TTL_S: Final = 1.0
"""How long a missing topic is answered from memory: long enough to take a storm, short enough to see it created."""

_LOOKUPS_MAX: Final = 8
"""Topics looked up at once; each may take a thread for a while. Others wait, within their deadlines."""

_ATTEMPT_TIMEOUT_S: Final = 5.0
"""How long one attempt may take: a cluster that is slow is not down."""

_RETRY_DELAY_S: Final = 0.1
_GROWTH_CHECK_INTERVAL_S: Final = 1.0
"""How often a topic is asked again whether it has more partitions, when a caller names one beyond the last."""


@dataclass(slots=True)
class _Topic:
    partitions: int
    asked_at: float


class TopicCatalog:
    """Knows each topic's partition count, so that a request is refused before anything of it is written.

    librdkafka would find out too, but only record by record, after the others were sent. Lives on the loop's thread.
    """

    def __init__(self, lookup: Callable[[str, float], Awaitable[int]], *, lookup_timeout_s: float) -> None:
        """Ask `lookup(topic, timeout_s)` for partition counts; it raises KafkaException where there is none.

        A cluster that creates topics by itself answers 'unknown' while it does so: a topic is missing only once that
        has been the answer for `lookup_timeout_s`.
        """
        self._lookup = lookup
        self._lookup_timeout_s = lookup_timeout_s
        self._topics: OrderedDict[str, _Topic] = OrderedDict()
        self._missing: OrderedDict[str, tuple[float, Failure]] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[int]] = {}
        self._given_up: Failure | None = None
        self._places = asyncio.Semaphore(_LOOKUPS_MAX)

    def knows(self, topics: Iterable[str]) -> bool:
        """Return whether every one of `topics` is known, so that `ensure` would have nothing to do."""
        known = self._topics
        return all(topic in known for topic in topics)

    async def ensure(self, topics: Iterable[str], *, deadline: float) -> None:
        """Return once every one of `topics` is known.

        Raises:
            RequestFailed: one of them does not exist or may not be written, or the cluster did not answer by
                `deadline` (on the loop's clock). Nothing was written.
        """
        unknown = [topic for topic in topics if topic not in self._topics]
        results = await asyncio.gather(*(self._found(topic, deadline) for topic in unknown), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def check_partition(self, topic: str, partition: int, *, deadline: float) -> None:
        """Return if `topic`, which is known, has `partition`; asks the cluster again where it seems not to.

        Raises:
            RequestFailed: PARTITION_OUT_OF_RANGE.
        """
        entry = self._topics.get(topic)
        if entry is not None and partition < entry.partitions:
            return
        if entry is None or asyncio.get_running_loop().time() - entry.asked_at > _GROWTH_CHECK_INTERVAL_S:
            partitions = await self._found(topic, deadline)
        else:
            partitions = entry.partitions
        if partition >= partitions:
            raise RequestFailed(
                Failure(
                    reason=Reason.PARTITION_OUT_OF_RANGE,
                    message=(
                        f"topic {topic} has partitions 0 to {partitions - 1}, not {partition}: name one of these, "
                        "or none; nothing was written"
                    ),
                )
            )

    def forget(self, topic: str) -> None:
        """Ask the cluster again before the next record for `topic`: a report said that it changed."""
        self._topics.pop(topic, None)

    def give_up(self, failure: Failure) -> None:
        """Answer everyone who waits for a topic with `failure`: the cluster is known to be of no help."""
        self._given_up = failure
        for task in self._lookups.values():
            task.cancel()

    async def _found(self, topic: str, deadline: float) -> int:
        loop = asyncio.get_running_loop()
        missing = self._missing.get(topic)
        if missing is not None:
            if loop.time() < missing[0]:
                raise RequestFailed(missing[1])
            del self._missing[topic]
        task = self._lookups.get(topic)
        if task is None:
            task = self._lookups[topic] = loop.create_task(self._look_up(topic))
            task.add_done_callback(lambda _: self._lookups.pop(topic, None))
        try:
            async with asyncio.timeout_at(deadline):
                # Shielded: the lookup is shared, and the caller who leaves or runs out of time is only one of those
                # who wait.
                return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and self._given_up is not None:
                raise RequestFailed(self._given_up) from None
            raise
        except TimeoutError:
            raise RequestFailed(
                Failure(
                    reason=Reason.DEADLINE_EXCEEDED,
                    message=f"the cluster did not tell of topic {topic} in time: send again; nothing was written",
                )
            ) from None

    async def _look_up(self, topic: str) -> int:
        loop = asyncio.get_running_loop()
        give_up_at = math.inf
        while True:
            try:
                async with self._places:
                    # From the first question on: while it waited for its place nothing said that the topic is missing.
                    give_up_at = min(give_up_at, loop.time() + self._lookup_timeout_s)
                    partitions = await self._lookup(topic, _ATTEMPT_TIMEOUT_S)
            except KafkaException as exception:
                error: KafkaError = exception.args[0]
                if error.code() in _MAY_APPEAR and loop.time() + _RETRY_DELAY_S < give_up_at:
                    await asyncio.sleep(_RETRY_DELAY_S)
                    continue
                failure = _lookup_failure(topic, error)
                if failure.reason is not Reason.BROKERS_UNAVAILABLE:
                    self._missing[topic] = (loop.time() + _MISSING_TTL_S, failure)
                    _bound(self._missing, _MISSING_MAX)
                raise RequestFailed(failure) from None
            self._topics[topic] = _Topic(partitions, loop.time())
            _bound(self._topics, _TOPICS_MAX)
            return partitions


_MAY_APPEAR: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)


def _lookup_failure(topic: str, error: KafkaError) -> Failure:
    # Nothing was sent yet, so that even a lost connection leaves no doubt.
    rule = rule_of(error)
    if rule.reason in {Reason.BROKERS_UNAVAILABLE, Reason.DEADLINE_EXCEEDED}:
        return Failure(
            reason=Reason.BROKERS_UNAVAILABLE,
            message="the brokers cannot be reached: send again after the delay; nothing was written",
        )
    return Failure(reason=rule.reason, message=f"topic {topic}: {rule.message}; nothing was written")


def _bound(entries: OrderedDict[str, Any], entries_max: int) -> None:
    while len(entries) > entries_max:
        entries.popitem(last=False)
