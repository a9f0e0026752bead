"""The catalog of topics, with a cluster made of futures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping

import pytest
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed
from twinpost_server.kafka import topics as topics_module
from twinpost_server.kafka.topics import TopicCatalog

LOOKUP_TIMEOUT_S = 0.3


class Cluster:
    """Answers lookups from a table that a test may change.

    Attributes:
        topics: the partition count of each topic, or the error that its lookup meets.
        asked: how often each topic was looked up.
        at_once_max: how many lookups were under way at once, at most.
        speaking: while cleared, no lookup is answered.
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        """Have `topics`, each with its partition count."""
        self.topics: dict[str, int | KafkaError] = dict(topics)
        self.asked: Counter[str] = Counter()
        self.at_once = 0
        self.at_once_max = 0
        self.speaking = asyncio.Event()
        self.speaking.set()

    async def __call__(self, topic: str, _timeout_s: float) -> int:
        """Return the partition count of `topic`."""
        self.asked[topic] += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await asyncio.sleep(0)
            await self.speaking.wait()
        finally:
            self.at_once -= 1
        found = self.topics.get(topic, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        if isinstance(found, KafkaError):
            raise KafkaException(found)
        return found

    def catalog(self) -> TopicCatalog:
        """Return a catalog of this cluster."""
        return TopicCatalog(self, lookup_timeout_s=LOOKUP_TIMEOUT_S)


def within(seconds: float) -> float:
    """Return the deadline so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


async def refusal(waiting: Awaitable[None]) -> Failure:
    """Return why `waiting` is refused; nothing was written then."""
    with pytest.raises(RequestFailed) as refused:
        await waiting
    assert Delivered.NO is refused.value.failure.delivered
    return refused.value.failure


async def until_asked(cluster: Cluster, topics: Iterable[str]) -> None:
    """Return once each of `topics` was looked up."""
    async with asyncio.timeout(5):
        while not set(topics) <= set(cluster.asked):
            await asyncio.sleep(0)


class TestEnsure:
    """Making sure that topics exist."""

    async def test_topic_is_looked_up_once(self) -> None:
        """A known topic costs the cluster nothing."""
        catalog = (cluster := Cluster({"a": 1, "b": 2})).catalog()
        assert not catalog.knows({"a", "b"})
        for _ in range(3):
            await catalog.ensure({"a", "b"}, deadline=within(5))
        assert (True, {"a": 1, "b": 1}) == (catalog.knows({"a", "b"}), cluster.asked)

    async def test_callers_share_one_lookup(self) -> None:
        """A thousand requests for a new topic ask once."""
        catalog = (cluster := Cluster({"a": 1})).catalog()
        await asyncio.gather(*(catalog.ensure({"a"}, deadline=within(5)) for _ in range(1000)))
        assert {"a": 1} == cluster.asked

    async def test_caller_who_leaves_ends_nobody_elses_lookup(self) -> None:
        """Cancelling one of two waiting callers leaves the other with its answer."""
        catalog = (cluster := Cluster({"a": 1})).catalog()
        cluster.speaking.clear()
        leaver, stayer = (asyncio.create_task(catalog.ensure({"a"}, deadline=within(5))) for _ in range(2))
        await until_asked(cluster, {"a"})
        leaver.cancel()
        await asyncio.wait([leaver])
        cluster.speaking.set()
        await stayer
        assert ({"a": 1}, True) == (cluster.asked, leaver.cancelled())

    async def test_missing_topic_is_looked_for_until_the_time_is_up(self) -> None:
        """A cluster that creates topics by itself says 'unknown' while it does so."""
        catalog = (cluster := Cluster({})).catalog()
        failure = await refusal(catalog.ensure({"a"}, deadline=within(5)))
        assert Reason.TOPIC_NOT_FOUND is failure.reason
        assert "topic a" in failure.message
        assert cluster.asked["a"] > 1

    async def test_topic_that_appears_while_it_is_looked_for_is_found(self) -> None:
        """Auto-created topics are answered at the first request."""
        catalog = (cluster := Cluster({})).catalog()
        ensuring = asyncio.create_task(catalog.ensure({"a"}, deadline=within(5)))
        await until_asked(cluster, {"a"})
        cluster.topics["a"] = 4
        await ensuring
        assert catalog.knows({"a"})

    async def test_missing_topic_is_answered_from_memory_for_a_moment(self) -> None:
        """A storm for a topic that is not there does not become a storm of lookups."""
        catalog = (cluster := Cluster({})).catalog()
        await refusal(catalog.ensure({"a"}, deadline=within(5)))
        asked = cluster.asked["a"]
        for _ in range(100):
            assert Reason.TOPIC_NOT_FOUND is (await refusal(catalog.ensure({"a"}, deadline=within(5)))).reason
        assert asked == cluster.asked["a"]

    async def test_created_topic_is_seen_a_moment_later(self) -> None:
        """The memory of a missing topic is short."""
        catalog = (cluster := Cluster({})).catalog()
        await refusal(catalog.ensure({"a"}, deadline=within(5)))
        cluster.topics["a"] = 1
        async with asyncio.timeout(5):
            while not catalog.knows({"a"}):
                try:
                    await catalog.ensure({"a"}, deadline=within(5))
                except RequestFailed:
                    await asyncio.sleep(0.05)

    async def test_one_missing_topic_refuses_the_request(self) -> None:
        """Whatever else the request names, it is refused for the topic that is not there."""
        failure = await refusal(Cluster({"a": 1, "c": 1}).catalog().ensure({"a", "b", "c"}, deadline=within(5)))
        assert (Reason.TOPIC_NOT_FOUND, True) == (failure.reason, "topic b" in failure.message)

    async def test_deadline_bounds_the_wait(self) -> None:
        """A cluster that says nothing is not waited for any longer, and nothing was written."""
        catalog = (cluster := Cluster({"a": 1})).catalog()
        cluster.speaking.clear()
        assert Reason.DEADLINE_EXCEEDED is (await refusal(catalog.ensure({"a"}, deadline=within(0.05)))).reason
        cluster.speaking.set()
        await catalog.ensure({"a"}, deadline=within(5))
        assert {"a": 1} == cluster.asked

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("TOPIC_AUTHORIZATION_FAILED", Reason.TOPIC_FORBIDDEN),
            ("_AUTHENTICATION", Reason.BROKER_AUTHENTICATION_FAILED),
            ("_TRANSPORT", Reason.BROKERS_UNAVAILABLE),
            ("_TIMED_OUT", Reason.BROKERS_UNAVAILABLE),
            ("_ALL_BROKERS_DOWN", Reason.BROKERS_UNAVAILABLE),
            ("LEADER_NOT_AVAILABLE", Reason.BROKERS_UNAVAILABLE),
            ("_UNKNOWN_TOPIC", Reason.TOPIC_NOT_FOUND),
            ("TOPIC_EXCEPTION", Reason.BROKER_REFUSED),
        ],
    )
    async def test_failed_lookup_leaves_no_doubt(self, name: str, reason: Reason) -> None:
        """Whatever stands in the way of a lookup, nothing was written, and the reason says what it was."""
        cluster = Cluster({})
        cluster.topics["a"] = KafkaError(getattr(KafkaError, name))
        assert reason is (await refusal(cluster.catalog().ensure({"a"}, deadline=within(5)))).reason

    async def test_unreachable_brokers_are_asked_again_at_once(self) -> None:
        """An outage is not remembered as a missing topic."""
        catalog = (cluster := Cluster({})).catalog()
        cluster.topics["a"] = KafkaError(KafkaError._TRANSPORT)
        await refusal(catalog.ensure({"a"}, deadline=within(5)))
        cluster.topics["a"] = 1
        await catalog.ensure({"a"}, deadline=within(5))
        assert catalog.knows({"a"})

    async def test_request_for_many_topics_is_answered(self) -> None:
        """More new topics than are looked up at once take turns, and the request waits for all."""
        topics = {f"t{number}" for number in range(300)}
        catalog = (cluster := Cluster(dict.fromkeys(topics, 1))).catalog()
        await catalog.ensure(topics, deadline=within(5))
        assert catalog.knows(topics)
        assert cluster.at_once_max <= 64

    async def test_wait_for_a_place_is_not_part_of_the_search(self) -> None:
        """A new topic behind many others is looked for as long as any other, once its turn has come."""
        others = {f"t{number}" for number in range(100)}
        catalog = (cluster := Cluster(dict.fromkeys(others, 1))).catalog()
        cluster.speaking.clear()
        first = asyncio.create_task(catalog.ensure(others, deadline=within(20)))
        late = asyncio.create_task(catalog.ensure({"late"}, deadline=within(20)))
        its_time = within(LOOKUP_TIMEOUT_S)
        while within(0) < its_time:
            await asyncio.sleep(0)
        assert not cluster.asked["late"]
        cluster.speaking.set()
        await until_asked(cluster, ["late"])
        while cluster.at_once:
            await asyncio.sleep(0)
        cluster.topics["late"] = 1
        await asyncio.gather(first, late)
        assert catalog.knows({"late"})

    async def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The topics asked for longest ago are forgotten first, missing ones and others."""
        monkeypatch.setattr(topics_module, "_TOPICS_MAX", 2)
        monkeypatch.setattr(topics_module, "_MISSING_MAX", 2)
        catalog = (cluster := Cluster(dict.fromkeys("abc", 1))).catalog()
        for topic in "abc":
            await catalog.ensure({topic}, deadline=within(5))
        assert [False, True, True] == [catalog.knows({topic}) for topic in "abc"]
        for topic in "xyz":
            cluster.topics[topic] = KafkaError(KafkaError.TOPIC_EXCEPTION)
            await refusal(catalog.ensure({topic}, deadline=within(5)))
        for topic in "zyx":
            await refusal(catalog.ensure({topic}, deadline=within(5)))
        assert [2, 1, 1] == [cluster.asked[topic] for topic in "xyz"]

    async def test_lookup_nobody_waits_for_any_more_is_finished_quietly(self) -> None:
        """A failure that comes after every caller has left is nobody's, and no warning either."""
        catalog = (cluster := Cluster({})).catalog()
        cluster.speaking.clear()
        leaver = asyncio.create_task(catalog.ensure({"a"}, deadline=within(5)))
        await until_asked(cluster, {"a"})
        leaver.cancel()
        await asyncio.wait([leaver])
        cluster.topics["a"] = KafkaError(KafkaError._TRANSPORT)
        cluster.speaking.set()
        async with asyncio.timeout(5):
            while catalog._lookups:
                await asyncio.sleep(0)


class TestPartitions:
    """Explicit partitions."""

    @pytest.mark.parametrize("partition", [0, 3])
    async def test_partition_within_the_topic_is_let_through(self, partition: int) -> None:
        """The first and the last partition exist."""
        catalog = (cluster := Cluster({"a": 4})).catalog()
        await catalog.ensure({"a"}, deadline=within(5))
        await catalog.check_partition("a", partition, deadline=within(5))
        assert {"a": 1} == cluster.asked

    async def test_partition_beyond_the_last_is_refused(self) -> None:
        """The refusal names the partition asked for and those there are."""
        catalog = Cluster({"a": 4}).catalog()
        await catalog.ensure({"a"}, deadline=within(5))
        failure = await refusal(catalog.check_partition("a", 4, deadline=within(5)))
        assert Reason.PARTITION_OUT_OF_RANGE is failure.reason
        assert "0 to 3, not 4" in failure.message

    async def test_wrong_partitions_make_no_storm_of_lookups(self) -> None:
        """A caller who asks for what is not there, over and over, is answered from memory."""
        catalog = (cluster := Cluster({"a": 4})).catalog()
        await catalog.ensure({"a"}, deadline=within(5))
        for _ in range(100):
            await refusal(catalog.check_partition("a", 4, deadline=within(5)))
        assert cluster.asked["a"] <= 2

    async def test_topic_that_grew_is_noticed(self) -> None:
        """New partitions can be written a moment after they were added."""
        catalog = (cluster := Cluster({"a": 4})).catalog()
        await catalog.ensure({"a"}, deadline=within(5))
        cluster.topics["a"] = 8
        async with asyncio.timeout(5):
            while True:
                try:
                    await catalog.check_partition("a", 7, deadline=within(5))
                except RequestFailed:
                    await asyncio.sleep(0.05)
                else:
                    break

    async def test_forgotten_topic_is_asked_for_again(self) -> None:
        """A topic that was deleted and created anew may have other partitions."""
        catalog = (cluster := Cluster({"a": 1})).catalog()
        await catalog.ensure({"a"}, deadline=within(5))
        catalog.forget("a")
        catalog.forget("never known")
        assert not catalog.knows({"a"})
        cluster.topics["a"] = 2
        await catalog.check_partition("a", 1, deadline=within(5))
        assert {"a": 2} == cluster.asked
