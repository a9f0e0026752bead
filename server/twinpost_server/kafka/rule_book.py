"""What topics demand of their records, as far as the cluster has told."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final, NamedTuple

import structlog
from confluent_kafka import KafkaException

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import VIOLATIONS_MAX, Failure, Reason, RequestFailed, Violation
from twinpost_server.core.records import Record
from twinpost_server.kafka.topic_rules import TopicRules

__all__ = ["RuleBook"]

_log = structlog.get_logger(__name__)

_TOPICS_MAX: Final = 100_000
"""Topics remembered; they are ones the cluster has."""

_FRESH_S: Final = 1.0
"""How old rules may be that a record is refused for: topics are altered, and what was true once is then a lie."""

_LEARNING_TIMEOUT_S: Final = 0.5
"""How long a request waits for a topic's rules. Without them it is for the broker to judge."""

_NO_RULES: Final = TopicRules()

_ASK_AGAIN_S: Final = 10.0
"""How long what could not be told is not asked for again."""

_QUESTIONS_MAX: Final = 8
"""Questions under way at once. Others wait."""

_TOPICS_ASKED_MAX: Final = 100
"""Topics that one request may have asked about; it is for the broker to judge its records for others."""


class _Learnt(NamedTuple):
    rules: TopicRules | None
    at: float


class RuleBook:
    """Refuses records that a broker would refuse along with all that travels beside them. Lives on the loop's thread.

    A broker takes or refuses a batch whole, and librdkafka gathers records of many callers into one, perhaps the half
    of a request: tried again its records would be out of order (`kafka.isolation`). What is certain to be refused is
    therefore never sent. Where the gateway may not look at configurations nothing is known, and nothing refused.

    Attributes:
        keyed_topics: topics known to demand a key.
    """

    def __init__(
        self, ask: Callable[[str], Awaitable[TopicRules]], on_learnt: Callable[[str, TopicRules], None]
    ) -> None:
        """Learn from `ask(topic)`, which raises KafkaException, and tell `on_learnt` each time."""
        self._ask = ask
        self._on_learnt = on_learnt
        self._learnt: OrderedDict[str, _Learnt] = OrderedDict()
        self._learning: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_QUESTIONS_MAX)
        self.keyed_topics: set[str] = set()

    async def learn(self, topic: str) -> None:
        """Ask for the rules of `topic`, and wait for a moment at most; whoever asks meanwhile shares the answer."""
        await self._ask_about((topic,), math.inf)

    def doubt(self, topic: str) -> None:
        """Ask again, without waiting, since a broker refused a record for `topic` that no known rule spoke against."""
        if not self._was_not_told(topic):
            self._task(topic)

    async def check(self, batch: RecordBatch, *, deadline: float) -> None:
        """Return if no record of `batch` breaks a rule of its topic for certain.

        Rules that seem to be broken are asked for once more, unless that was a moment ago.

        Raises:
            RequestFailed: INVALID_TIMESTAMP, or INVALID_RECORD where a key is missing; nothing was written.
        """
        # One whose rules were never asked for, or not told, may be guilty as well. Only the first is waited for: good
        # records should not pay for a cluster that does not tell.
        await self._ask_about([topic for topic in batch.topics if topic not in self._learnt], deadline)
        untold = (topic for topic in batch.topics if topic in self._learnt and self._learnt[topic].rules is None)
        for topic in islice((topic for topic in untold if not self._was_not_told(topic)), _TOPICS_ASKED_MAX):
            self._task(topic)
        now_ms = time.time_ns() // 1_000_000
        suspects = self._suspects(batch.records, now_ms)
        if not suspects:
            return
        topics = {batch.records[index].topic for index in suspects}
        await self._ask_about([topic for topic in topics if not self._is_fresh(topic)], deadline)
        certain = {topic: self._learnt[topic].rules for topic in topics if self._is_fresh(topic)}
        violations = tuple(
            islice(
                (
                    Violation(f"[{index}].{field}", problem)
                    for index in suspects
                    if (rules := certain.get(batch.records[index].topic)) is not None
                    for field, problem in rules.problems(batch.records[index], now_ms)
                ),
                VIOLATIONS_MAX,
            )
        )
        if violations:
            only_timestamps = all(violation.path.endswith(".timestamp") for violation in violations)
            raise RequestFailed(
                Failure.of_violations(
                    Reason.INVALID_TIMESTAMP if only_timestamps else Reason.INVALID_RECORD, violations
                )
            )

    def close(self) -> None:
        """Ask nothing more."""
        for task in self._learning.values():
            task.cancel()

    async def _ask_about(self, topics: Sequence[str], deadline: float) -> None:
        """Ask, and wait for a moment; what is not told by then counts as not told for now."""
        loop = asyncio.get_running_loop()
        topics = topics[:_TOPICS_ASKED_MAX]
        if topics:
            time_left_s = max(0.0, min(_LEARNING_TIMEOUT_S, deadline - loop.time()))
            await asyncio.wait([self._task(topic) for topic in topics], timeout=time_left_s)
            if time_left_s < _LEARNING_TIMEOUT_S:
                # That says more of the caller than of the cluster.
                return
        for topic in topics:
            if topic not in self._learnt:
                self._note(topic, _Learnt(None, loop.time()))

    def _suspects(self, records: Sequence[Record], now_ms: int) -> list[int]:
        """Return which of `records` seem to break a rule; good ones pay for no more than comparisons."""
        bounds: dict[str, tuple[int, int, bool]] = {}
        suspects = []
        for index, record in enumerate(records):
            topic = record.topic
            if topic not in bounds:
                learnt = self._learnt.get(topic)
                rules = _NO_RULES if learnt is None or learnt.rules is None else learnt.rules
                bounds[topic] = (*rules.timestamps(now_ms), rules.key_required)
            least, greatest, key_required = bounds[topic]
            timestamp = record.timestamp
            if (timestamp is not None and not least <= timestamp <= greatest) or (key_required and record.key is None):
                suspects.append(index)
        return suspects

    def _is_fresh(self, topic: str) -> bool:
        learnt = self._learnt.get(topic)
        return learnt is not None and asyncio.get_running_loop().time() - learnt.at <= _FRESH_S

    def _was_not_told(self, topic: str) -> bool:
        """Return whether `topic` was asked about in vain, and not long ago."""
        learnt = self._learnt.get(topic)
        now = asyncio.get_running_loop().time()
        return learnt is not None and learnt.rules is None and now - learnt.at <= _ASK_AGAIN_S

    def _task(self, topic: str) -> asyncio.Task[None]:
        task = self._learning.get(topic)
        if task is None:
            task = self._learning[topic] = asyncio.get_running_loop().create_task(self._learn(topic))
            task.add_done_callback(lambda _: self._learning.pop(topic, None))
        return task

    async def _learn(self, topic: str) -> None:
        rules = None
        async with self._places:
            asked_at = asyncio.get_running_loop().time()
            try:
                rules = await self._ask(topic)
            except KafkaException as exception:
                # The gateway may produce without the right to look at configurations.
                _log.debug("topic's rules are not told", topic=topic, code=exception.args[0].name())
            except Exception:  # noqa: BLE001 - whatever it was, records are the broker's to judge then
                _log.exception("topic's rules could not be learnt", topic=topic)
        if rules is not None:
            self._note(topic, _Learnt(rules, asked_at))
            self._on_learnt(topic, rules)
        elif (known := self._learnt.get(topic)) is None or known.rules is None:
            self._note(topic, _Learnt(None, asked_at))

    def _note(self, topic: str, learnt: _Learnt) -> None:
        self._learnt[topic] = learnt
        self._learnt.move_to_end(topic)
        if learnt.rules is not None and learnt.rules.key_required:
            self.keyed_topics.add(topic)
        else:
            self.keyed_topics.discard(topic)
        if len(self._learnt) > _TOPICS_MAX:
            forgotten, _ = self._learnt.popitem(last=False)
            self.keyed_topics.discard(forgotten)
