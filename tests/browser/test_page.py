"""What a page can do: everything but streams of requests, and only from an origin that the gateway was told of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brokers.embedded import EmbeddedBroker
from tests.brokers.ledger import StoredRecord, read_topic

BLOCKED = "Failed to fetch"


def at(broker: EmbeddedBroker, place: dict[str, Any]) -> StoredRecord:
    """Return the record at `place`, whose time must be the one told."""
    held = read_topic(broker.bootstrap_servers, place["topic"])
    where = (int(place["partition"]), int(place["offset"]))
    [record] = [record for record in held if (record.partition, record.offset) == where]
    assert int(place["timestamp"]) == record.timestamp
    return record


def test_a_page_produces_a_record(report: dict[str, Any], broker: EmbeddedBroker) -> None:
    """Bytes that are no text, and headers."""
    [place] = report["one"]["value"]

    record = at(broker, place)

    assert ("greetings", b"browser", b"\x00\xff") == (record.topic, record.key, record.value)
    assert (("trace", b"\xfe"), ("empty", b"")) == record.headers


def test_a_page_produces_a_batch_for_two_topics(report: dict[str, Any], broker: EmbeddedBroker) -> None:
    """Each record is where the result of the same index says; every tenth is a tombstone."""
    places = report["batch"]["value"]

    held = {
        (record.topic, record.partition, str(record.offset)): (record.key, record.value)
        for topic in ("greetings", "cities")
        for record in read_topic(broker.bootstrap_servers, topic)
    }

    expected = [
        (
            "greetings" if i % 2 == 0 else "cities",
            (f"browser-{i}".encode(), None if i % 10 == 9 else f"record {i}".encode()),
        )
        for i in range(40)
    ]
    assert expected == [(place["topic"], held[place["topic"], place["partition"], place["offset"]]) for place in places]


def test_a_page_produces_with_rest(report: dict[str, Any], broker: EmbeddedBroker) -> None:
    """With `fetch` alone."""
    answer = report["rest"]["value"]

    assert 200 == answer["status"]
    [place] = answer["answer"]
    record = at(broker, place)
    assert (b"browser-rest", b"from fetch") == (record.key, record.value)


@pytest.mark.parametrize("call", ["health", "watch"])
def test_a_page_asks_for_health(report: dict[str, Any], call: str) -> None:
    """By a unary call, and by one whose answers are a stream."""
    assert {"value": "SERVING"} == report[call]


def test_a_page_reads_what_is_wrong_with_a_request(report: dict[str, Any]) -> None:
    """Code, reason, what is known of the records, and every place: the headers that hold them are exposed."""
    error = report["invalid"]["error"]

    assert ("InvalidArgument", "INVALID_RECORD", "false", "no") == (
        error["code"],
        error["reason"],
        error["retriable"],
        error["delivered"],
    )
    assert ["records[0].partition", "records[1].topic", "records[1].timestamp"] == error["fields"]


def test_a_page_is_told_of_wrong_credentials(report: dict[str, Any]) -> None:
    """Rather than that the network failed."""
    error = report["wrongPassword"]["error"]

    assert ("Unauthenticated", "UNAUTHENTICATED", "no") == (error["code"], error["reason"], error["delivered"])


def test_a_page_cannot_stream_requests(report: dict[str, Any]) -> None:
    """Browsers cannot, as docs and README say: the client library refuses before anything is sent."""
    assert "The fetch API does not support streaming request bodies" == report["stream"]["error"]["message"]


@pytest.mark.parametrize("call", ["one", "batch", "health", "watch", "invalid", "wrongPassword"])
def test_a_page_of_another_origin_is_kept_out(foreign_report: dict[str, Any], call: str) -> None:
    """By the browser, whatever the answer would have been."""
    assert {"name": "ConnectError", "code": "Unknown", "message": BLOCKED} == foreign_report[call]["error"]


def test_rest_is_closed_to_another_origin_too(foreign_report: dict[str, Any]) -> None:
    """The same page, the same browser."""
    assert {"name": "TypeError", "message": f"TypeError: {BLOCKED}"} == foreign_report["rest"]["error"]


def test_the_gateway_is_within_reach_of_both(report: dict[str, Any], foreign_report: dict[str, Any]) -> None:
    """So that it is the origin that makes the difference: an answer comes, which neither may read."""
    assert ({"value": "opaque"}, {"value": "opaque"}) == (report["livez"], foreign_report["livez"])


def test_nothing_is_stored_of_what_was_refused(
    report: dict[str, Any],
    foreign_report: dict[str, Any],
    broker: EmbeddedBroker,
) -> None:
    """Neither of the refused calls, nor of any call from the other origin: one record of each kind, not two."""
    assert report.keys() == foreign_report.keys()
    held = [record for topic in ("greetings", "cities") for record in read_topic(broker.bootstrap_servers, topic)]
    assert sorted([b"browser", b"browser-rest", *(f"browser-{i}".encode() for i in range(40))]) == sorted(
        record.key or b"" for record in held
    )
