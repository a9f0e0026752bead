"""The message of `GET /produce/{topic}/{message}` arrives as it was meant, however it was written into the path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import TopicReader, read_topic
from tests.conformance.doors import checked_error
from tests.gateway.process import Gateway

UNRESERVED_IN_TARGET = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%?#")
"""What HTTP/1.1 lets stand raw in a path (Envoy is as lenient), and what is not an escape, a query or a fragment."""

JsonMessage = dict[str, Any]


@pytest.fixture(scope="module")
def topic(apache_kafka: ApacheKafka) -> str:
    """One topic for the module."""
    apache_kafka.create_topic("conformance.paths", partitions=2)
    return "conformance.paths"


@pytest.fixture(scope="module")
def reader(apache_kafka: ApacheKafka, topic: str) -> Iterator[TopicReader]:
    """Reads on from test to test."""
    with TopicReader.opened(apache_kafka.bootstrap_servers, topic) as opened:
        yield opened


def produce_and_read(
    gateway: Gateway, reader: TopicReader, targets: Sequence[str]
) -> list[tuple[bytes | None, bytes | None]]:
    """GET each target and return the key and value of the record that each answer points at."""
    places = []
    for target in targets:
        response = gateway.rest.send("GET", target)
        assert 200 == response.status, (target, response.body)
        answer = response.json()
        places.append((answer["partition"], answer["offset"]))
    held = {(record.partition, record.offset): (record.key, record.value) for record in reader.take(len(targets))}
    return [held[place] for place in places]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("../x", "../x"),
        ("..", ".."),
        (".", "."),
        ("%2e%2e", ".."),
        ("./../.", "./../."),
        ("a/..", "a/.."),
        ("12:30", "12:30"),
        ("x:", "x:"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ('{"a":1}', '{"a":1}'),
        ("%7B%22a%22%3A1%7D", '{"a":1}'),
        ("%F0%9F%90%98", "🐘"),
        ("%00", "\0"),
        ("a%00b", "a\0b"),
        ("%0A%0D", "\n\r"),
        ("a/", "a/"),
        ("a//", "a//"),
        ("a%2F", "a/"),
        ("/", "/"),
        ("//", "//"),
        ("/a", "/a"),
        ("a//b", "a//b"),
        ("a\\b", "a\\b"),
        ("%", "%"),
        ("%zz", "%zz"),
        ("100%25", "100%"),
        ("a%3Fb%23c", "a?b#c"),
        ("a;b=c,d@e!$&'()*", "a;b=c,d@e!$&'()*"),
        ("~-_|^`<>[]", "~-_|^`<>[]"),
        ("", ""),
        ("readyz", "readyz"),
    ],
)
def test_message_of_the_path_is_decoded_once(
    gateway: Gateway, topic: str, reader: TopicReader, raw: str, message: str
) -> None:
    """Nothing in it is a separator, a directory, a verb or a template; a `+` is a plus."""
    assert [(None, message.encode())] == produce_and_read(gateway, reader, [f"/produce/{topic}/{raw}"])


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("?key=a+b", b"a b"),
        ("?key=%2B", b"+"),
        ("?key=a%20b", b"a b"),
        ("?key=", b""),
        ("?key=a%26b%3Dc", b"a&b=c"),
        ("?key=a=b", b"a=b"),
        ("?key=a/b?c", b"a/b?c"),
        ("?key=%00", b"\0"),
        ("?key=%F0%9F%90%98", "🐘".encode()),
        ("?k%65y=k", b"k"),
        ("?&key=k&", b"k"),
        ("?", None),
        ("", None),
    ],
)
def test_key_of_the_query_is_form_decoded(
    gateway: Gateway, topic: str, reader: TopicReader, query: str, key: bytes | None
) -> None:
    """`+` is a space, `%2B` is a plus, `?key=` is the empty key, and no `key` is no key."""
    assert [(key, b"m")] == produce_and_read(gateway, reader, [f"/produce/{topic}/m{query}"])


def test_a_slash_at_the_end_with_a_body_is_no_message(
    gateway: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
) -> None:
    """`GET /produce/{topic}/` with a body is `GET /produce/{topic}`; it must not store an empty message beside it."""
    topic = topic_name()
    apache_kafka.create_topic(topic)

    response = gateway.rest.send("GET", f"/produce/{topic}/", body=b'{"value": "v"}')

    assert 200 == response.status
    assert [b"v"] == [record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)]
    assert isinstance(response.json(), list)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=200), st.none() | st.text(max_size=50)), min_size=1, max_size=10))
def test_any_message_and_key_percent_encoded_are_stored_as_they_are(
    gateway: Gateway, topic: str, reader: TopicReader, messages: list[tuple[str, str | None]]
) -> None:
    """For every text: encode it, send it, read it back."""
    targets = [
        f"/produce/{topic}/{quote(message, safe='')}" + ("" if key is None else f"?key={quote(key, safe='')}")
        for message, key in messages
    ]

    expected = [(None if key is None else key.encode(), message.encode()) for message, key in messages]
    assert expected == produce_and_read(gateway, reader, targets)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(UNRESERVED_IN_TARGET, max_size=60), min_size=1, max_size=10))
def test_any_message_written_raw_is_stored_as_it_is(
    gateway: Gateway, topic: str, reader: TopicReader, messages: list[str]
) -> None:
    """For every text of characters that may stand raw in a path."""
    targets = [f"/produce/{topic}/{message}" for message in messages]

    assert [(None, message.encode()) for message in messages] == produce_and_read(gateway, reader, targets)


json_texts = st.text(max_size=60)
json_messages = st.fixed_dictionaries(
    {"value": st.none() | st.text(max_size=200)},
    optional={
        "key": st.none() | json_texts,
        "partition": st.none() | st.integers(0, 1),
        "timestamp": st.none() | st.integers(1, 2**40),
        "headers": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {
                    "key": st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
                    "value": json_texts,
                }
            ),
            max_size=5,
        ),
    },
)


@settings(max_examples=40, deadline=None)
@given(messages=st.lists(json_messages, min_size=1, max_size=20), ascii_only=st.booleans())
def test_any_message_in_json_is_stored_as_it_is(
    gateway: Gateway, topic: str, reader: TopicReader, messages: list[JsonMessage], *, ascii_only: bool
) -> None:
    """For every message the contract allows, with characters escaped or not: what is read is what was sent."""
    body = json.dumps(messages, ensure_ascii=ascii_only).encode()
    response = gateway.rest.send("POST", f"/produce/{topic}", body=body)
    assert 200 == response.status, response.body
    held = {(record.partition, record.offset): record for record in reader.take(len(messages))}

    for message, place in zip(messages, response.json(), strict=True):
        record = held[place["partition"], place["offset"]]
        headers = message.get("headers") or []
        assert encoded(message["value"]) == record.value
        assert encoded(message.get("key")) == record.key
        assert tuple((header["key"], header["value"].encode()) for header in headers) == record.headers
        assert message.get("timestamp") in {None, record.timestamp}
        assert message.get("partition") in {None, record.partition}


def encoded(text: str | None) -> bytes | None:
    """Return the UTF-8 bytes of a text, and null as it is."""
    return None if text is None else text.encode()


@pytest.mark.parametrize("target", ["/produce/%FF/m", "/produce/t/%FF", "/produce/t/%ED%A0%80", "/produce/t/m?key=%FF"])
def test_bytes_that_are_not_utf_8_are_refused(gateway: Gateway, target: str) -> None:
    """In the topic, in the message, in the key; a surrogate is no character either."""
    response = gateway.rest.send("GET", target)

    assert 400 == response.status
    assert "MALFORMED_REQUEST" == checked_error(response)["reason"]
