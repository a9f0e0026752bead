"""Reading a request target."""

from __future__ import annotations

import pytest

from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed
from twinpost_server.rpc.rest_target import RestTarget, parse_target


def refusal(method: str, target: str, *, has_body: bool = False) -> Failure:
    """Return why `target` is refused."""
    with pytest.raises(RequestFailed) as refused:
        parse_target(method, target, has_body=has_body)
    assert Delivered.NO is refused.value.failure.delivered
    return refused.value.failure


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("has_body", [False, True])
@pytest.mark.parametrize(
    ("target", "topic"),
    [
        ("/produce", None),
        ("/produce?", None),
        ("/produce?&&", None),
        ("/produce/", None),
        ("/produce/t", "t"),
        ("/produce/t?", "t"),
        ("/produce/%74", "t"),
        ("/produce/a.b_c-D", "a.b_c-D"),
    ],
)
def test_messages_in_the_body(method: str, target: str, topic: str | None, *, has_body: bool) -> None:
    """With or without a topic, by either method."""
    assert RestTarget(topic, None, None) == parse_target(method, target, has_body=has_body)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("hello", "hello"),
        ("a/b", "a/b"),
        ("a//b", "a//b"),
        ("a/", "a/"),
        ("/", "/"),
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("%2E%2e", ".."),
        ("../x", "../x"),
        (".", "."),
        ("12:30", "12:30"),
        ("x:", "x:"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("%25", "%"),
        ("%252F", "%2F"),
        ("%zz", "%zz"),
        ("%", "%"),
        ("100%", "100%"),
        ("%00", "\0"),
        ("%0A", "\n"),
        ("%E2%82%AC", "€"),
        ("%F0%9F%98%80", "😀"),
        ("%3F%26%3D%23", "?&=#"),
        ('{"a":1}', '{"a":1}'),
        ("a;b=c&d", "a;b=c&d"),
        ("a\\b", "a\\b"),
    ],
)
def test_message_in_the_path_arrives_as_it_was_meant(raw: str, message: str) -> None:
    """Decoded exactly once, nothing collapsed, dropped or read as a query."""
    assert RestTarget("t", message, None) == parse_target("GET", f"/produce/t/{raw}", has_body=False)


def test_empty_message_is_a_message() -> None:
    """Unless a body says otherwise, or the method."""
    expected = [RestTarget("t", "", None), RestTarget("t", None, None), RestTarget("t", None, None)]
    cases = (("GET", False), ("GET", True), ("POST", False))
    assert expected == [parse_target(method, "/produce/t/", has_body=has_body) for method, has_body in cases]


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("", None),
        ("?", None),
        ("?&", None),
        ("?key=", ""),
        ("?key=k", "k"),
        ("?key=a+b", "a b"),
        ("?key=a%2Bb", "a+b"),
        ("?key=a%20b", "a b"),
        ("?k%65y=k", "k"),
        ("?&key=k&", "k"),
        ("?key=a=b", "a=b"),
        ("?key=a/b?c", "a/b?c"),
        ("?key=%26%3D", "&="),
        ("?key=%E2%82%AC", "€"),
        ("?key=%00", "\0"),
        ("?key=%", "%"),
    ],
)
def test_key_is_form_encoded(query: str, key: str | None) -> None:
    """A plus is a space there, and the empty key is not the same as none."""
    assert RestTarget("t", "m", key) == parse_target("GET", f"/produce/t/m{query}", has_body=False)


@pytest.mark.parametrize("target", ["", "/", "/x", "produce", "/producer", "/produce%2Ft", "//produce/t", "/a/produce"])
def test_other_paths_are_no_route(target: str) -> None:
    """The message names the routes there are."""
    failure = refusal("GET", target)
    assert (Reason.ROUTE_NOT_FOUND, True) == (failure.reason, "/produce/{topic}/{message}" in failure.message)


def test_message_in_the_path_is_not_for_posting() -> None:
    """The refusal says which method is, and how to post instead."""
    failure = refusal("POST", "/produce/t/m")
    assert (Reason.METHOD_NOT_ALLOWED, ("GET",)) == (failure.reason, failure.allow)


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/produce//m", "path"),
        ("/produce//", "path"),
        ("/produce/t/%FF", "path"),
        ("/produce/t/%ED%A0%80", "path"),
        ("/produce/t/%C0%80", "path"),
        ("/produce/%FF", "path"),
        ("/produce/t/é", "path"),
        ("/produce/t/Ã©", "path"),
        ("/produce/é", "path"),
        ("/produce/t/m?key=%FF", "query"),
        ("/produce/t/m?key=é", "query"),
        ("/produce/t/m?%FF=x", "query"),
        ("/produce/t/m?key=a&key=b", "query.key"),
        ("/produce/t/m?key=&key=", "query.key"),
        ("/produce/t/m?key", "query.key"),
        ("/produce/t/m?keys=a", "query.keys"),
        ("/produce/t/m?KEY=a", "query.KEY"),
        ("/produce/t/m?key=a&topic=evil", "query.topic"),
        ("/produce/t/m?message=evil", "query.message"),
        ("/produce/t/m?body.data=eHh4", "query.body.data"),
        ("/produce/t/m?a+b=1", "query.a b"),
        ("/produce/t/a?b", "query.b"),
        ("/produce/t?key=k", "query.key"),
        ("/produce?topic=t", "query.topic"),
        ("/produce/t?=", "query."),
    ],
)
def test_unclear_target_is_malformed(target: str, place: str) -> None:
    """Nothing is guessed at, and nothing else is stored than was sent."""
    failure = refusal("GET", target)
    assert (Reason.MALFORMED_REQUEST, [place]) == (failure.reason, [v.path for v in failure.violations])


def test_two_messages_are_one_too_many() -> None:
    """One in the path and one in the body."""
    failure = refusal("GET", "/produce/t/m", has_body=True)
    assert (Reason.MALFORMED_REQUEST, ["body"]) == (failure.reason, [v.path for v in failure.violations])


@pytest.mark.parametrize("topic", ["a%2Fb", "%2E%2E", ".", "a%20b", "t" * 250, "t%00", "%E2%82%AC", "t+u"])
def test_topic_of_the_path_is_checked_there(topic: str) -> None:
    """The refusal points to the path, not to a message."""
    failure = refusal("GET", f"/produce/{topic}/m")
    assert (Reason.INVALID_RECORD, ["path.topic"]) == (failure.reason, [v.path for v in failure.violations])


def test_long_names_are_not_repeated_in_full() -> None:
    """The answer to a long unknown parameter is short."""
    failure = refusal("GET", f"/produce/t/m?{'x' * 50_000}=1")
    assert len(failure.message) + len(failure.violations[0].path) < 500
