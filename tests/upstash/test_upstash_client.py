"""`@upstash/kafka` 1.3.5 under Node: `produce`, `produceMany` and the error path."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.ledger import StoredRecord, read_topic
from tests.brokers.prerequisites import needs_program
from tests.gateway.process import DevGateway
from tests.npm_packages import install_npm_packages

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 50
TOPIC = "cities"


@pytest.fixture(scope="module")
def answers(dev_gateway: DevGateway) -> dict[str, Any]:
    """What each call of `produce.mjs` came to."""
    install_npm_packages(HERE, "run the public client")
    ran = subprocess.run(
        [needs_program("node", "run the public client"), "produce.mjs", dev_gateway.url, TOPIC],
        cwd=HERE,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=RUN_TIMEOUT_S,
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def at(dev_gateway: DevGateway, place: dict[str, Any]) -> StoredRecord:
    """Return the record that an answer points at; its topic and time must agree."""
    assert {"topic", "partition", "offset", "timestamp"} == place.keys()
    held = read_topic(dev_gateway.bootstrap_servers, TOPIC)
    [record] = [other for other in held if (other.partition, other.offset) == (place["partition"], place["offset"])]
    assert (record.topic, record.timestamp) == (place["topic"], place["timestamp"])
    return record


def test_produce_returns_the_metadata_of_the_stored_record(dev_gateway: DevGateway, answers: dict[str, Any]) -> None:
    """A string goes as it is, anything else as its JSON, and an empty string is a value."""
    assert b"hello" == at(dev_gateway, answers["produced"]).value
    assert '{"hello":"wörld 🐘"}'.encode() == at(dev_gateway, answers["producedObject"]).value
    assert b"" == at(dev_gateway, answers["producedEmpty"]).value


def test_produce_takes_its_options(dev_gateway: DevGateway, answers: dict[str, Any]) -> None:
    """Partition, timestamp, key and headers, in order and with duplicates."""
    record = at(dev_gateway, answers["producedWithOptions"])

    assert (1, 1637745834756, b"mykey", b"with options") == (
        record.partition,
        record.timestamp,
        record.key,
        record.value,
    )
    assert (("b", b"1"), ("a", b"2"), ("b", b"")) == record.headers


def test_produce_many_returns_metadata_in_order(dev_gateway: DevGateway, answers: dict[str, Any]) -> None:
    """Element i belongs to message i."""
    first, second, third = (at(dev_gateway, place) for place in answers["producedMany"])

    assert (b"first", None, ()) == (first.value, first.key, first.headers)
    assert (b'{"second":2}', b"k", ()) == (second.value, second.key, second.headers)
    assert (b"third", 0, (("h", b"v"),)) == (third.value, third.partition, third.headers)


@pytest.mark.parametrize(
    ("call", "status"), [("wrongPassword", 401), ("badPartition", 400), ("badTopic", 400), ("oneBadOfMany", 400)]
)
def test_failure_is_an_upstash_error_with_message_and_status(answers: dict[str, Any], call: str, status: int) -> None:
    """The client reads `error` and `status` from the body, after all its repetitions."""
    failure = answers[call]

    assert (True, "UpstashError", status) == (failure["upstashError"], failure["name"], failure["status"])
    assert isinstance(failure["error"], str)
    assert failure["error"]


def test_nothing_of_a_failed_call_is_stored(dev_gateway: DevGateway, answers: dict[str, Any]) -> None:
    """Six tries of each, and not one record."""
    assert "oneBadOfMany" in answers
    assert b"never" not in {record.value for record in read_topic(dev_gateway.bootstrap_servers, TOPIC)}
