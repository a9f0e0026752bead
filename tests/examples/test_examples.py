"""Every example does what it says, and Kafka holds what it says."""

from __future__ import annotations

from collections.abc import Sequence

from tests.brokers.embedded import EmbeddedBroker
from tests.brokers.ledger import StoredRecord, read_topic
from tests.brokers.ports import LOOPBACK, free_port
from tests.examples.example import Example
from tests.examples.story import Place, places, story, without_places
from tests.gateway.process import DevGateway, Gateway
from tests.gateway.users import MYUSER, User

WAITING = "after QUOTA_EXCEEDED (retriable: true, delivered: no)"


def records_of(example: Example, bootstrap_servers: str) -> dict[Place, StoredRecord]:
    """Return every record of the example's own, in both topics."""
    held = [record for topic in ("greetings", "cities") for record in read_topic(bootstrap_servers, topic)]
    own = example.language.encode()
    return {
        Place(record.topic, record.partition, record.offset): record
        for record in held
        if record.value == b"never" or (record.key or b"").startswith(own)
    }


def assert_told_truly(example: Example, lines: Sequence[str], bootstrap_servers: str) -> None:
    """Every record is where it is told to be, as it was sent, and nothing else is there."""
    expected = story(example.language)
    assert [chapter.line for chapter in expected] == without_places(lines)

    told = places(lines)
    held = records_of(example, bootstrap_servers)
    assert sorted(told) == sorted(held)
    sent = [chapter[1:] for chapter in expected if chapter.key is not None]
    assert sent == [(held[place].key, held[place].value, held[place].headers) for place in told]


def test_what_an_example_tells_is_true(example: Example, dev_gateway: DevGateway) -> None:
    """A record, batches for two topics with tombstones, a stream with a bad step, and requests that are refused."""
    ran = example.run(dev_gateway.address, MYUSER)

    assert (0, "") == (ran.code, ran.errors)
    assert_told_truly(example, ran.lines, dev_gateway.bootstrap_servers)
    streamed = places([line for line in ran.lines if line.startswith("stream ")])
    assert sorted(streamed) == streamed, "the records of one key are stored in the order sent"


def test_an_example_waits_as_it_is_told_and_sends_again(
    example: Example, strict_gateway: Gateway, strict_broker: EmbeddedBroker
) -> None:
    """Over its quota, with RetryInfo: each record is stored all the same, and once."""
    ran = example.run(strict_gateway.address, MYUSER)

    assert (0, "") == (ran.code, ran.errors)
    waits = [line for line in ran.lines if line.endswith(WAITING)]
    # The first batch has used the quota up; calls before and after it may have to wait as well.
    assert "batch 2" in {line.partition(":")[0] for line in waits}
    lines = [line for line in ran.lines if line not in waits]
    assert_told_truly(example, lines, strict_broker.bootstrap_servers)


def test_an_example_with_a_wrong_password_fails(example: Example, dev_gateway: DevGateway) -> None:
    """At its first call, and it knows that nothing was written."""
    ran = example.run(dev_gateway.address, User(MYUSER.name, "wrong"))

    assert (1, []) == (ran.code, ran.lines)
    assert "UNAUTHENTICATED (retriable: false, delivered: no)" in ran.errors


def test_an_example_without_a_gateway_fails(example: Example) -> None:
    """An error of its own library says nothing of the records."""
    ran = example.run(f"{LOOPBACK}:{free_port()}", MYUSER)

    assert (1, []) == (ran.code, ran.lines)
    assert "unavailable (retriable: false, delivered: unknown)" in ran.errors.lower()
