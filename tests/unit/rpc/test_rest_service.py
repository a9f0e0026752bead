"""The REST service, called the way Envoy's transcoder calls it."""

from __future__ import annotations

import asyncio
import gzip
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.unit.rpc.served import LIMITS, Answer, Gateway
from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed
from twinpost_server.core.principal import Principal
from twinpost_server.core.records import RecordMetadata
from twinpost_server.core.topics import TopicPattern
from twinpost_server.rpc import rest_service
from twinpost_server.rpc.rest_json import RestDecoder

LOST = Failure(reason=Reason.NOT_ENOUGH_REPLICAS, message="lost", delivered=Delivered.UNKNOWN)
TOO_LARGE = Failure(reason=Reason.RECORD_TOO_LARGE, message="too large")


def error(answer: Answer) -> tuple[int, str, str]:
    """Return status, reason and `delivered` of a failed request, whose body must have the one error shape."""
    body = answer.body
    assert {"error", "status", "reason", "retriable", "delivered"} <= body.keys()
    assert body.keys() <= {"error", "status", "reason", "retriable", "delivered", "violations", "results"}
    assert answer.status == body["status"]
    return answer.status, body["reason"], body["delivered"]


def values(gateway: Gateway) -> list[bytes | None]:
    """Return the values that were stored."""
    return [stored.value for stored in gateway.sink.records]


class TestRoutes:
    """The shapes of requests and answers."""

    async def test_message_in_the_path_is_answered_by_one_object(self, gateway: Gateway) -> None:
        """Its four fields are numbers and the topic's name."""
        answer = await gateway.rest("GET", "/produce/one/hello%20world?key=a+b")
        (stored,) = gateway.sink.records
        expected = {"topic": "one", "partition": 0, "offset": 0, "timestamp": stored.timestamp}
        assert (200, {}, expected) == (answer.status, answer.headers, answer.body)
        assert (b"hello world", b"a b") == (stored.value, stored.key)

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        ("target", "body", "stored"),
        [
            ("/produce/one", b'{"value":"a"}', 1),
            ("/produce/one", b'[{"value":"a"}]', 1),
            ("/produce/one/", b' [{"value":"a"}, {"value":"b"}] ', 2),
            ("/produce/one", b"[]", 0),
            ("/produce", b'{"value":"a","topic":"one"}', 1),
            ("/produce/", b'[{"value":"a","topic":"one"},{"value":"b","topic":"cities"}]', 2),
        ],
    )
    async def test_messages_in_the_body_are_answered_by_an_array(
        self, gateway: Gateway, method: str, target: str, body: bytes, stored: int
    ) -> None:
        """Also where it was one message, and where it was none."""
        answer = await gateway.rest(method, target, body)
        assert (200, stored) == (answer.status, len(answer.body))
        assert [b"a", b"b"][:stored] == values(gateway)

    async def test_numbers_are_exact_to_the_last_of_64_bits(self, gateway: Gateway) -> None:
        """JSON numbers, not strings and not doubles."""
        largest = 2**63 - 1
        gateway.sink.told[b"x"] = RecordMetadata("one", 2**31 - 1, largest, largest)
        answer = await gateway.rest("POST", "/produce/one", b'{"value":"x"}')
        expected = {"topic": "one", "partition": 2**31 - 1, "offset": largest, "timestamp": largest}
        assert [expected] == answer.body

    async def test_elements_stand_in_request_order(self, gateway: Gateway) -> None:
        """Element i belongs to message i."""
        messages = [{"topic": ("one", "cities")[index % 2], "value": str(index)} for index in range(100)]
        answer = await gateway.rest("POST", "/produce", msgspec.json.encode(messages))
        assert [message["topic"] for message in messages] == [element["topic"] for element in answer.body]

    async def test_every_field_reaches_the_sink(self, gateway: Gateway) -> None:
        """As the UTF-8 bytes of its text, headers in order."""
        body = (
            '{"topic":"cities","partition":2,"timestamp":1637745834756,"key":"schlüssel","value":"\\u0000\\ud83d\\ude00",'
            '"headers":[{"key":"a","value":"1"},{"key":"a","value":""}]}'
        )
        await gateway.rest("POST", "/produce", body.encode())
        (stored,) = gateway.sink.records
        assert ("cities", 2, 1637745834756) == (stored.topic, stored.partition, stored.timestamp)
        expected = ("schlüssel".encode(), b"\0\xf0\x9f\x98\x80", (("a", b"1"), ("a", b"")))
        assert expected == (stored.key, stored.value, stored.headers)

    async def test_null_and_empty_are_kept_apart(self, gateway: Gateway) -> None:
        """A null value is a tombstone, a null key is none, and empty ones are values and keys."""
        body = b'[{"value":null,"key":null,"headers":null,"partition":null,"timestamp":null},{"value":"","key":""}]'
        await gateway.rest("POST", "/produce/one", body)
        assert [(None, None), (b"", b"")] == [(stored.value, stored.key) for stored in gateway.sink.records]


class TestBadRequests:
    """What is refused before anything is written."""

    @pytest.mark.parametrize(
        ("method", "target", "body", "expected"),
        [
            pytest.param("GET", "/nowhere", b"", (404, "ROUTE_NOT_FOUND", "no"), id="no route"),
            pytest.param("POST", "/produce/one/x", b"", (405, "METHOD_NOT_ALLOWED", "no"), id="method"),
            pytest.param("GET", "/produce/one/x", b"{}", (400, "MALFORMED_REQUEST", "no"), id="two messages"),
            pytest.param("GET", "/produce/one/%ff", b"", (400, "MALFORMED_REQUEST", "no"), id="path not UTF-8"),
            pytest.param("GET", "/produce/a%20b/x", b"", (400, "INVALID_RECORD", "no"), id="topic in the path"),
            pytest.param("GET", "/produce/gone/x", b"", (404, "TOPIC_NOT_FOUND", "no"), id="no topic"),
            pytest.param("POST", "/produce/one", b"", (400, "MALFORMED_REQUEST", "no"), id="no body"),
            pytest.param("POST", "/produce/one", b"{", (400, "MALFORMED_REQUEST", "no"), id="no JSON"),
            pytest.param("POST", "/produce/one", b"{}", (400, "INVALID_RECORD", "no"), id="no value"),
            pytest.param(
                "POST",
                "/produce/one",
                b'{"value":"x","partition":1}',
                (400, "PARTITION_OUT_OF_RANGE", "no"),
                id="no partition",
            ),
            pytest.param(
                "POST",
                "/produce/one",
                b'{"value":"' + b"x" * 10_001 + b'"}',
                (413, "RECORD_TOO_LARGE", "no"),
                id="record too large",
            ),
            pytest.param(
                "POST",
                "/produce/one",
                b"[" + b",".join([b'{"value":"x"}'] * 1001) + b"]",
                (413, "REQUEST_TOO_LARGE", "no"),
                id="too many messages",
            ),
        ],
    )
    async def test_bad_request_is_refused_whole(
        self, gateway: Gateway, method: str, target: str, body: bytes, expected: tuple[int, str, str]
    ) -> None:
        """With the one error shape, and nothing written."""
        answer = await gateway.rest(method, target, body)
        assert (expected, []) == (error(answer), gateway.sink.records)

    async def test_one_bad_message_refuses_all(self, gateway: Gateway) -> None:
        """The good ones before and behind it are not written."""
        answer = await gateway.rest("POST", "/produce/one", b'[{"value":"x"},{"value":1},{"value":"x"}]')
        assert ((400, "INVALID_RECORD", "no"), ["[1].value"], []) == (error(answer), answer.paths, values(gateway))

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize(
        ("target", "body", "paths"),
        [
            ("/produce", b'{"topic":"!","value":1,"partition":-1}', ["topic", "value", "partition"]),
            ("/produce", b'{"topic":"!","value":"x","partition":-1}', ["topic", "partition"]),
            ("/produce", b'[{"topic":"!","value":"x"}]', ["[0].topic"]),
            ("/produce", b'[{"topic":"!","value":"x"},{"value":1}]', ["[0].topic", "[1].value", "[1].topic"]),
            ("/produce/one", b'{"topic":"two","value":"x","partition":-1}', ["topic", "partition"]),
            (
                "/produce/one",
                b'[{"value":"x","partition":-1},{"topic":"two","value":"x"}]',
                ["[0].partition", "[1].topic"],
            ),
            ("/produce/one", b'{"value":"x","headers":[{"key":"a"},{"key":"\\u0000","value":""}]}', None),
        ],
    )
    async def test_all_violations_are_named_where_the_sender_wrote_them(
        self, gateway: Gateway, target: str, body: bytes, paths: list[str] | None, *, compressed: bool
    ) -> None:
        """In one answer, whatever kind they are of, by paths into the body as it was sent."""
        headers = {"content-encoding": "gzip"} if compressed else {}
        answer = await gateway.rest("POST", target, gzip.compress(body) if compressed else body, headers)
        expected = paths if paths is not None else ["headers[0].value", "headers[1].key"]
        assert sorted(expected) == sorted(answer.paths)

    async def test_topic_of_the_path_is_blamed_once(self, gateway: Gateway) -> None:
        """Not once for each message."""
        answer = await gateway.rest("POST", "/produce/a%2Fb", msgspec.json.encode([{"value": "x"}] * 500))
        assert (400, 1) == (answer.status, len(answer.body["violations"]))

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b'{"topic":"\\ud800","value":"x"}', id="lone surrogate in a topic"),
            pytest.param(b'{"value":"\\udfff"}', id="lone surrogate in a value"),
            pytest.param(b'{"value":"x","\\ud800":1}', id="lone surrogate in a name"),
            pytest.param(b'{"value":"x","partition":' + b"9" * 4300 + b"}", id="4300 digits"),
            pytest.param(b'{"value":"x","partition":' + b"9" * 4301 + b"}", id="4301 digits"),
            pytest.param(b'{"value":"x","timestamp":1e308}', id="huge float"),
            pytest.param(b'{"value":"x","timestamp":-1e999}', id="minus infinity"),
            pytest.param(b"[" * 50_000, id="deep arrays"),
            pytest.param(b'{"value":' * 10_000, id="deep objects"),
            pytest.param(b'{"value":"x","headers":' + b"[" * 50_000, id="deep headers"),
            pytest.param(b'{"value":"\xff"}', id="not UTF-8"),
            pytest.param(b"\xff\xfe" + '{"value":"x"}'.encode("utf-16-le"), id="UTF-16"),
            pytest.param(b'\xef\xbb\xbf{"value":"x"}', id="byte order mark"),
            pytest.param(b"\0" * 1000, id="NULs"),
            pytest.param(b'{"value":NaN}', id="NaN"),
            pytest.param(b"null", id="null"),
            pytest.param(b'"' + b"x" * 50_000 + b'"', id="long string"),
            pytest.param(b'{"value":"a","value":"b"}', id="repeated name"),
            pytest.param(b'{"value":1,"value":"b"}', id="repeated name of another type"),
            pytest.param(b'{"value":"a","key":null,"key":"k"}', id="repeated name, once null"),
        ],
    )
    async def test_hostile_body_is_a_clear_400(self, gateway: Gateway, body: bytes) -> None:
        """Never a fault of ours, never an answer of more than a few kilobytes, and no word of our insides."""
        with capture_logs() as logs:
            answer = await gateway.rest("POST", "/produce/one", body)
        assert (400, "no", [], []) == (answer.status, error(answer)[2], values(gateway), logs)
        assert len(msgspec.json.encode(answer.body)) < 2000
        assert "sys." not in answer.body["error"]

    async def test_answer_to_many_violations_is_bounded(self, gateway: Gateway) -> None:
        """At most a hundred, none of which repeats what was sent at length."""
        message = b'{"topic":"%s","value":"x","partition":%s}' % (b"!" * 50, b"9" * 50)
        answer = await gateway.rest("POST", "/produce", b"[" + b",".join([message] * 500) + b"]")
        assert 100 == len(answer.body["violations"])
        assert len(msgspec.json.encode(answer.body)) < 50_000

    async def test_content_type_that_is_not_utf8_is_told(self, gateway: Gateway) -> None:
        """It is the one header that travels in the message, where Protobuf wants UTF-8."""
        call = gateway.call(
            b"\n\x03\n\x01\xff",
            method="twinpost.v1.ProducerRestService/Produce",
            metadata=[("x-envoy-original-method", "POST"), ("x-envoy-original-path", "/produce/one")],
        )
        assert b"Content-Type" in await call
        assert ("x-http-status", "400") in tuple(await call.initial_metadata())


class TestLegalOddities:
    """What looks strange and is right."""

    @pytest.mark.parametrize(
        "text", ["value", "key", "topic", "headers", "partition", '"value":', "null", "", "\\", '"', "{", "\u2028"]
    )
    async def test_text_may_look_like_a_name(self, gateway: Gateway, text: str) -> None:
        """Whatever a value or a key says, it is stored."""
        body = msgspec.json.encode([{"value": text, "key": text, "headers": [{"key": text, "value": text}]}])
        answer = await gateway.rest("POST", "/produce/one", body)
        assert 200 == answer.status
        (stored,) = gateway.sink.records
        encoded = text.encode()
        assert (encoded, encoded, ((text, encoded),)) == (stored.value, stored.key, stored.headers)

    @pytest.mark.parametrize("absent", ["key", "partition", "timestamp", "headers", "topic"])
    async def test_null_means_absent(self, gateway: Gateway, absent: str) -> None:
        """Many JSON libraries write every field they know."""
        body: dict[str, Any] = {"value": "x", absent: None}
        assert 200 == (await gateway.rest("POST", "/produce/one", msgspec.json.encode([body] * 100))).status

    async def test_names_may_be_escaped(self, gateway: Gateway) -> None:
        """JSON leaves the spelling to the sender."""
        assert 200 == (await gateway.rest("POST", "/produce/one", b'{"val\\u0075e":"x"}')).status

    async def test_unknown_fields_can_be_ignored(self, socket_directory: Path) -> None:
        """A setting for callers who send more than the contract knows; types are still checked."""
        async with Gateway.opened(socket_directory, unknown_fields="ignore") as gateway:
            body = b'{"value":"x","extra":{"value":[1,"value"]},"headers":[{"key":"a","value":"b","more":1}]}'
            assert 200 == (await gateway.rest("POST", "/produce/one", body)).status
            answer = await gateway.rest("POST", "/produce/one", b'{"value":1,"extra":1}')
            assert (400, ["value"]) == (answer.status, answer.paths)

    async def test_ignored_field_that_cannot_be_read_is_a_clear_400(self, socket_directory: Path) -> None:
        """The two readings may differ over what neither of them looks at."""
        async with Gateway.opened(socket_directory, unknown_fields="ignore") as gateway:
            for body in (b'{"value":"x","more":"\\ud800"}', b'{"value":"x","\\ud800":1}'):
                answer = await gateway.rest("POST", "/produce/one", body)
                assert (400, "MALFORMED_REQUEST", "no") == error(answer)

    async def test_unknown_field_is_refused_with_the_nearest_name(self, gateway: Gateway) -> None:
        """A mistyped `headrs` must not lose data in silence."""
        answer = await gateway.rest("POST", "/produce/one", b'{"value":"x","headrs":[]}')
        assert ["headrs"] == answer.paths
        assert "'headers'" in answer.body["violations"][0]["problem"]


class TestEncodings:
    """Compressed bodies."""

    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
    @pytest.mark.parametrize("size", [10, 9_000])
    async def test_gzip_is_inflated(self, gateway: Gateway, encoding: str, size: int) -> None:
        """Small and large."""
        body = gzip.compress(msgspec.json.encode([{"value": f"{index:05}"} for index in range(size // 10)]), 1)
        assert 200 == (await gateway.rest("POST", "/produce/one", body, {"content-encoding": encoding})).status
        assert size // 10 == len(gateway.sink.records)

    async def test_large_compressed_body_is_inflated(self, gateway: Gateway) -> None:
        """On a thread, where the loop would otherwise stand still."""
        text = "".join(chr(0x4E00 + index * 7919 % 20_000) for index in range(3000))
        body = gzip.compress(msgspec.json.encode({"value": text}))
        assert len(body) > 4096
        assert 200 == (await gateway.rest("POST", "/produce/one", body, {"content-encoding": "gzip"})).status
        assert [text.encode()] == values(gateway)

    @pytest.mark.parametrize(
        ("encoding", "body", "expected"),
        [
            pytest.param("br", b"{}", (415, "UNSUPPORTED_ENCODING", "no"), id="another encoding"),
            pytest.param("gzip", b"{}", (400, "MALFORMED_REQUEST", "no"), id="not gzip"),
            pytest.param("gzip", b"", (400, "MALFORMED_REQUEST", "no"), id="nothing"),
            pytest.param("gzip", gzip.compress(b"0" * 10_000_000), (413, "REQUEST_TOO_LARGE", "no"), id="bomb"),
            pytest.param(
                "gzip", gzip.compress(b"") * 4000, (400, "MALFORMED_REQUEST", "no"), id="thousands of empty members"
            ),
        ],
    )
    async def test_what_cannot_be_inflated_is_refused(
        self, gateway: Gateway, encoding: str, body: bytes, expected: tuple[int, str, str]
    ) -> None:
        """By kind: unknown, damaged, or too large."""
        answer = await gateway.rest("POST", "/produce/one", body, {"content-encoding": encoding})
        assert expected == error(answer)

    async def test_encoding_of_a_request_without_a_body_is_nobodys_business(self, gateway: Gateway) -> None:
        """The message is in the path."""
        answer = await gateway.rest("GET", "/produce/one/x", b"", {"content-encoding": "br"})
        assert 200 == answer.status


class TestFailures:
    """What happens behind the door."""

    async def test_some_failed_tells_the_worst_and_each_result(self, gateway: Gateway) -> None:
        """The written ones with their places, the others with what is known."""
        gateway.sink.told |= {b"b": TOO_LARGE, b"c": LOST}
        answer = await gateway.rest("POST", "/produce/one", b'[{"value":"a"},{"value":"b"},{"value":"c"}]')
        assert (503, "NOT_ENOUGH_REPLICAS", "partial") == error(answer)
        written, *failed = answer.body["results"]
        assert {"topic", "partition", "offset", "timestamp"} == written.keys()
        expected = [
            {"error": "too large", "reason": "RECORD_TOO_LARGE", "retriable": False, "delivered": "no"},
            {"error": "lost", "reason": "NOT_ENOUGH_REPLICAS", "retriable": True, "delivered": "unknown"},
        ]
        assert (expected, "1") == (failed, answer.headers["retry-after"])

    @pytest.mark.parametrize(("method", "target"), [("GET", "/produce/one/a"), ("POST", "/produce/one")])
    async def test_failure_of_one_message_is_told_plainly(self, gateway: Gateway, method: str, target: str) -> None:
        """Nothing is counted where there was one."""
        gateway.sink.told[b"a"] = LOST
        answer = await gateway.rest(method, target, b'{"value":"a"}' if method == "POST" else b"")
        assert ((503, "NOT_ENOUGH_REPLICAS", "unknown"), "lost") == (error(answer), answer.body["error"])

    async def test_fault_of_ours_is_500_without_its_text(self, gateway: Gateway) -> None:
        """The log has the rest, by the request's id."""
        gateway.sink.fault = RuntimeError("kafka-7.internal: secret")
        with capture_logs() as logs:
            answer = await gateway.rest("GET", "/produce/one/x", b"", {"x-request-id": "r-1"})
        assert (500, "INTERNAL", "unknown") == error(answer)
        assert "secret" not in answer.body["error"]
        assert [("error", "r-1")] == [(line["log_level"], line["request_id"]) for line in logs]

    @pytest.mark.parametrize(
        ("failure", "expected"),
        [
            pytest.param(
                Failure(reason=Reason.UNAUTHENTICATED, message="who?"),
                {"www-authenticate": 'Basic realm="twinpost"'},
                id="challenge",
            ),
            pytest.param(Failure(reason=Reason.OVERLOADED, message="full"), {"retry-after": "1"}, id="delay"),
            pytest.param(
                Failure(reason=Reason.QUOTA_EXCEEDED, message="quota", retry_after_s=2.1),
                {"retry-after": "3"},
                id="delay of its own, rounded up",
            ),
            pytest.param(
                Failure(reason=Reason.QUOTA_EXCEEDED, message="quota", retry_after_s=0.0),
                {"retry-after": "1"},
                id="delay of at least a second",
            ),
            pytest.param(
                Failure(reason=Reason.METHOD_NOT_ALLOWED, message="no", allow=("GET", "POST")),
                {"allow": "GET, POST"},
                id="methods",
            ),
            pytest.param(Failure(reason=Reason.TOPIC_NOT_FOUND, message="no"), {}, id="nothing"),
        ],
    )
    async def test_failure_brings_its_headers(
        self, gateway: Gateway, failure: Failure, expected: dict[str, str]
    ) -> None:
        """What HTTP has a header for is in the header."""
        gateway.room = RequestFailed(failure)
        answer = await gateway.rest("POST", "/produce/one", b"{")
        assert (failure.reason, expected) == (answer.body["reason"], answer.headers)


class TestCallers:
    """Who is let in, and for how long."""

    async def test_caller_is_refused_before_anything_is_read(self, gateway: Gateway) -> None:
        """A stranger does not learn whether there is such a route."""
        gateway.doorkeeper.callers.clear()
        answer = await gateway.rest("GET", "/nowhere", b"{")
        assert ((401, "UNAUTHENTICATED", "no"), []) == (error(answer), gateway.admitted)

    async def test_rights_are_asked_for(self, gateway: Gateway) -> None:
        """As on native gRPC."""
        gateway.doorkeeper.callers[None] = Principal("alice", (TopicPattern("cities"),))
        assert (403, "TOPIC_FORBIDDEN", "no") == error(await gateway.rest("GET", "/produce/one/x"))

    @pytest.mark.parametrize("asked", ["0.2", "1"])
    async def test_caller_may_ask_for_less_time(self, gateway: Gateway, asked: str) -> None:
        """By a header, in seconds; `delivered` says that the record may be written yet."""
        before = asyncio.get_running_loop().time()
        with gateway.sink.paused():
            answer = await gateway.rest("GET", "/produce/one/x", b"", {"request-timeout": asked})
        assert (504, "DEADLINE_EXCEEDED", "unknown") == error(answer)
        assert asyncio.get_running_loop().time() - before < float(asked) + 1

    @pytest.mark.parametrize("asked", ["0", "-1", "nan", "soon", "", "1_0", "1e3", "+1", "inf"])
    async def test_timeout_that_is_no_number_is_refused(self, gateway: Gateway, asked: str) -> None:
        """Nothing is guessed at."""
        answer = await gateway.rest("GET", "/produce/one/x", b"", {"request-timeout": asked})
        assert ((400, "MALFORMED_REQUEST", "no"), []) == (error(answer), values(gateway))

    async def test_caller_who_leaves_recalls_nothing(self, gateway: Gateway) -> None:
        """What was handed over is stored."""
        with gateway.sink.paused():
            leaving = asyncio.create_task(gateway.rest("GET", "/produce/one/left"))
            async with asyncio.timeout(5):
                while not gateway.sink.deadlines:
                    await asyncio.sleep(0.01)
            leaving.cancel()
            await asyncio.wait([leaving])
        await gateway.rest("GET", "/produce/one/stayed")
        assert [b"left", b"stayed"] == values(gateway)


async def test_slow_inflating_ends_at_the_deadline(gateway: Gateway) -> None:
    """The same for a compressed body."""
    body = gzip.compress(bytes(range(256)) * 40, 0)
    answer = await gateway.rest(
        "POST", "/produce/one", body, {"content-encoding": "gzip", "request-timeout": "0.000001"}
    )
    assert (504, "DEADLINE_EXCEEDED", "no") == error(answer)


async def test_nobody_reads_on_for_who_has_left(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large bad body whose sender left while it waited for its turn is let go, and holds nobody up."""
    reading, go_on = threading.Event(), threading.Event()
    read: list[bytes] = []

    def explain(_decoder: RestDecoder, body: bytes, _topic: str | None) -> Failure:
        read.append(body)
        reading.set()
        go_on.wait(10)
        return TOO_LARGE

    monkeypatch.setattr(RestDecoder, "explain", explain)
    bodies = [b"[" + b",".join([b'{"value":""}'] * 1000) + b",%d]" % number for number in range(3)]
    first = asyncio.create_task(gateway.rest("POST", "/produce/one", bodies[0]))
    await asyncio.to_thread(reading.wait, 10)
    left = await gateway.rest("POST", "/produce/one", bodies[1], {"request-timeout": "0.01"})
    last = asyncio.create_task(gateway.rest("POST", "/produce/one", bodies[2]))
    go_on.set()

    assert (504, "DEADLINE_EXCEEDED", "no") == error(left)
    assert {(413, "RECORD_TOO_LARGE", "no")} == {error(await first), error(await last)}
    assert [bodies[0], bodies[2]] == read


@pytest.mark.parametrize("compressed", [False, True])
async def test_bodies_that_wait_are_bounded(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, *, compressed: bool
) -> None:
    """By what they take once inflated; past it callers are asked to come back, and good bodies pass meanwhile."""
    go_on = threading.Event()

    def explain(_decoder: RestDecoder, _body: bytes, _topic: str | None) -> Failure:
        go_on.wait(10)
        return TOO_LARGE

    monkeypatch.setattr(RestDecoder, "explain", explain)
    body = b'[{"value":1}' + b" " * (LIMITS.body_bytes_max - 20) + b"]"
    headers = {"content-encoding": "gzip"} if compressed else {}

    def sent() -> asyncio.Task[Answer]:
        content = gzip.compress(body) if compressed else body
        return asyncio.create_task(gateway.rest("POST", "/produce/one", content, headers))

    waiting = {sent() for _ in range(6)}
    refused, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    while len(refused) < 2:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused |= more
    assert [((429, "OVERLOADED", "no"), "1")] * 2 == [
        (error(task.result()), task.result().headers["retry-after"]) for task in refused
    ]
    assert 200 == (await gateway.rest("POST", "/produce/one", b'{"value":"x"}')).status
    go_on.set()
    assert {(413, "RECORD_TOO_LARGE", "no")} == {error(await task) for task in waiting}
    assert (413, "RECORD_TOO_LARGE", "no") == error(await sent())


async def test_compressed_bodies_that_wait_are_bounded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what they say they inflate to; one at a time does."""
    go_on = threading.Event()
    begun: list[bytes] = []

    def slowly(body: bytes, *, bytes_max: int) -> bytes:
        begun.append(body)
        go_on.wait(10)
        return b'{"value":"%d"}' % bytes_max

    monkeypatch.setattr(rest_service, "inflated", slowly)
    tasks = {
        asyncio.create_task(
            gateway.rest("POST", "/produce/one", b"x" * LIMITS.body_bytes_max, {"content-encoding": "gzip"})
        )
        for _ in range(5)
    }
    [refused], waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert (429, "OVERLOADED", "no") == error(refused.result())
    assert len(begun) <= 1
    go_on.set()
    assert {200} == {(await task).status for task in waiting}


async def test_slow_reading_ends_at_the_deadline(gateway: Gateway) -> None:
    """A large bad body is not looked through for longer than its sender waits; nothing was written then."""
    body = b"[" + b",".join([b'{"value":""}'] * 1000) + b",1]"
    answer = await gateway.rest("POST", "/produce/one", body, {"request-timeout": "0.000001"})
    assert (504, "DEADLINE_EXCEEDED", "no") == error(answer)
