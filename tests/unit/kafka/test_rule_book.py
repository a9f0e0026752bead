"""What topics demand of their records, as far as the cluster has told."""

from __future__ import annotations

import asyncio
import time

import pytest
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import VIOLATIONS_MAX, Delivered, Failure, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record
from twinpost_server.kafka import rule_book
from twinpost_server.kafka.rule_book import RuleBook
from twinpost_server.kafka.topic_rules import TopicRules

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)
HOUR_MS = 3_600_000
STRICT = TopicRules(timestamp_after_ms_max=HOUR_MS)
KEYED = TopicRules(key_required=True)


class Cluster:
    """Tells of topics' rules, and counts how often it is asked."""

    def __init__(self, **rules: TopicRules) -> None:
        """Have so many topics."""
        self.rules = rules
        self.asked: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.learnt: list[tuple[str, TopicRules]] = []
        self.fault: Exception = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
        self.at_once = self.at_once_max = 0

    async def ask(self, topic: str) -> TopicRules:
        """Answer, once answers are given."""
        self.asked.append(topic)
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await self.answering.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if topic not in self.rules:
            raise self.fault
        return self.rules[topic]

    def book(self) -> RuleBook:
        """Return a book that learns from this."""
        return RuleBook(self.ask, lambda topic, rules: self.learnt.append((topic, rules)))


def ahead(hours: float) -> int:
    """Return the time in so many hours."""
    return time.time_ns() // 1_000_000 + int(hours * HOUR_MS)


async def check(book: RuleBook, *records: Record, within_s: float = 20.0) -> Failure | None:
    """Return why `records` are refused, if they are."""
    deadline = asyncio.get_running_loop().time() + within_s
    try:
        await book.check(RecordBatch.checked(records, LIMITS), deadline=deadline)
    except RequestFailed as refused:
        return refused.failure
    return None


def age(monkeypatch: pytest.MonkeyPatch, by_s: float = 5.0) -> None:
    """Let the loop's clock pass."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + by_s)


async def test_rules_are_told_to_who_needs_them() -> None:
    """Each time they are learnt."""
    cluster = Cluster(a=KEYED)
    book = cluster.book()
    await book.learn("a")
    assert ([("a", KEYED)], {"a"}) == (cluster.learnt, book.keyed_topics)
    cluster.rules["a"] = STRICT
    await book.learn("a")
    assert ([("a", KEYED), ("a", STRICT)], set()) == (cluster.learnt, book.keyed_topics)


async def test_good_records_cost_no_question() -> None:
    """And none about a topic that the gateway may not look at is asked again."""
    cluster = Cluster(a=STRICT, b=KEYED)
    book = cluster.book()
    for topic in "abc":
        await book.learn(topic)
    records = [Record(b"v", "a", timestamp=ahead(0.9)), Record(b"v", "b", key="k"), Record(b"v", "c", timestamp=2**62)]
    assert await check(book, *records) is None
    assert ["a", "b", "c"] == cluster.asked


async def test_topic_that_was_not_told_of_in_time_is_asked_about() -> None:
    """As where a cluster just comes up: its records may be guilty from the first on."""
    cluster = Cluster(a=STRICT)
    assert await check(cluster.book(), Record(b"v", "a", timestamp=ahead(2))) is not None
    assert ["a"] == cluster.asked


async def test_request_is_refused_with_every_place() -> None:
    """As one that breaks any other rule is."""
    cluster = Cluster(a=STRICT)
    book = cluster.book()
    await book.learn("a")
    times = (2, 0, 3)
    failure = await check(book, *(Record(b"v", "a", timestamp=ahead(hours)) for hours in times))
    assert failure is not None
    assert (Reason.INVALID_TIMESTAMP, Delivered.NO, False) == (failure.reason, failure.delivered, failure.retriable)
    assert ["[0].timestamp", "[2].timestamp"] == [violation.path for violation in failure.violations]
    assert "nothing was written" in failure.message


async def test_missing_key_breaks_a_rule() -> None:
    """Whatever else is wrong."""
    cluster = Cluster(a=KEYED, b=STRICT)
    book = cluster.book()
    for topic in "ab":
        await book.learn(topic)
    failure = await check(book, Record(b"v", "b", timestamp=ahead(2)), Record(b"v", "a"))
    assert failure is not None
    assert Reason.INVALID_RECORD is failure.reason
    assert ["[0].timestamp", "[1].key"] == [violation.path for violation in failure.violations]


async def test_violations_are_bounded() -> None:
    """A bad request makes no huge answer."""
    cluster = Cluster(a=KEYED)
    book = cluster.book()
    await book.learn("a")
    failure = await check(book, *[Record(b"v", "a")] * 1000)
    assert failure is not None
    assert VIOLATIONS_MAX == len(failure.violations)


async def test_altered_topic_refuses_nobody_for_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been known for a while is asked again before anything is refused for it."""
    cluster = Cluster(a=STRICT)
    book = cluster.book()
    await book.learn("a")
    age(monkeypatch)
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is not None
    assert ["a", "a"] == cluster.asked
    cluster.rules["a"] = TopicRules()
    age(monkeypatch)
    for _ in range(2):
        assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is None
    assert ["a", "a", "a"] == cluster.asked


async def test_what_was_learnt_a_moment_ago_is_not_asked_again() -> None:
    """Senders whose clocks are wrong are many, and each of their records is one."""
    cluster = Cluster(a=STRICT)
    book = cluster.book()
    await book.learn("a")
    for _ in range(10):
        assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is not None
    assert ["a"] == cluster.asked


@pytest.mark.parametrize("answers", [True, False])
async def test_without_an_answer_the_broker_judges(*, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused for what may not be true any more, nobody waits for long, and nothing is forgotten."""
    cluster = Cluster(a=STRICT)
    book = cluster.book()
    await book.learn("a")
    age(monkeypatch)
    del cluster.rules["a"]
    if not answers:
        cluster.answering.clear()
    async with asyncio.timeout(10):
        assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is None
        assert await check(book, Record(b"v", "a", timestamp=ahead(2)), within_s=0.0) is None
    cluster.answering.set()
    await book.learn("a")
    cluster.rules["a"] = STRICT
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is not None


@pytest.mark.parametrize("fault", [KafkaException(KafkaError(KafkaError._TIMED_OUT)), ValueError("no number")])
async def test_what_could_not_be_told_is_asked_again_later(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by every request: the gateway may lack the right."""
    cluster = Cluster()
    cluster.fault = fault
    book = cluster.book()
    for _ in range(3):
        assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is None
    book.doubt("a")
    assert ["a"] == cluster.asked
    cluster.rules["a"] = STRICT
    age(monkeypatch, by_s=11)
    # Nobody waits for it.
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is None
    await book.learn("a")
    assert ["a", "a"] == cluster.asked
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is not None


async def test_caller_without_time_says_nothing_of_the_cluster() -> None:
    """Others, who have some, wait for the answer that is under way."""
    cluster = Cluster(a=STRICT)
    cluster.answering.clear()
    book = cluster.book()
    assert await check(book, Record(b"v", "a", timestamp=ahead(2)), within_s=0.0) is None
    cluster.answering.set()
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is not None
    assert ["a"] == cluster.asked


async def test_cluster_that_does_not_tell_holds_up_the_first_request_alone() -> None:
    """And what it tells in the end counts."""
    cluster = Cluster(a=STRICT)
    cluster.answering.clear()
    book = cluster.book()
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is None
    waiting = asyncio.create_task(check(book, Record(b"v", "a", timestamp=ahead(2))))
    # Without a wait the task ends as soon as it runs.
    await asyncio.sleep(0)
    assert waiting.done()
    assert waiting.result() is None
    cluster.answering.set()
    await book.learn("a")
    assert await check(book, Record(b"v", "a", timestamp=ahead(2))) is not None


async def test_questions_of_one_request_are_bounded() -> None:
    """It may name thousands of topics; what is not asked about is for the broker to judge."""
    topics = [f"t{number}" for number in range(1000)]
    cluster = Cluster(**dict.fromkeys(topics, STRICT))
    book = cluster.book()
    failure = await check(book, *(Record(b"v", topic, timestamp=ahead(2)) for topic in topics))
    assert failure is not None
    assert 100 == len(cluster.asked)
    assert cluster.at_once_max <= 8


async def test_questions_about_one_topic_are_one() -> None:
    """However many wait for it, and whoever of them leaves."""
    cluster = Cluster(a=STRICT)
    cluster.answering.clear()
    book = cluster.book()
    async with asyncio.TaskGroup() as waiting:
        first, *_ = [waiting.create_task(book.learn("a")) for _ in range(3)]
        book.doubt("a")
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        cluster.answering.set()
    assert (["a"], [("a", STRICT)]) == (cluster.asked, cluster.learnt)


async def test_topics_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one heard of longest ago is forgotten."""
    monkeypatch.setattr(rule_book, "_TOPICS_MAX", 2)
    cluster = Cluster(a=KEYED, b=KEYED, c=KEYED)
    book = cluster.book()
    for topic in "abac":
        await book.learn(topic)
    assert {"a", "c"} == book.keyed_topics
    assert await check(book, Record(b"v", "a")) is not None
    assert ["a", "b", "a", "c"] == cluster.asked
