"""Every answer of the REST face that is no success has the one shape, and says what to do."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.ledger import read_topic
from tests.conformance.doors import checked_error
from tests.gateway.process import Gateway
from tests.gateway.rest import RestClient
from tests.gateway.users import MYUSER, User

MIB = 1024 * 1024
TOPIC = "conformance.errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A faulty request and its answer.

    Attributes:
        target: `{topic}` in it is a topic that exists.
        status: the HTTP status.
        reason: the machine's word.
        violations: the paths named, where the fault is in the body.
        says: a pattern of what the message must say.
    """

    method: str = "POST"
    target: str = "/produce/{topic}"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 400
    reason: str = "MALFORMED_REQUEST"
    violations: frozenset[str] | None = None
    says: str = ""


def invalid(body: str, *places: str, says: str = "", target: str = "/produce/{topic}") -> Fault:
    """Return a fault in a record, found at `places`."""
    return Fault(body=body.encode(), target=target, reason="INVALID_RECORD", violations=frozenset(places), says=says)


def malformed(body: bytes, says: str = "") -> Fault:
    """Return a fault in the JSON itself."""
    return Fault(body=body, says=says)


BODIES = {
    "no body": Fault(says="empty"),
    "empty body": malformed(b"", "empty"),
    "white space": malformed(b" \n", "empty"),
    "text": malformed(b"hello"),
    "form": malformed(b"value=hello"),
    "cut short": malformed(b'{"value": "a"'),
    "two documents": malformed(b'{"value": "a"}{"value": "b"}'),
    "trailing comma": malformed(b'[{"value": "a"},]'),
    "single quotes": malformed(b"{'value': 'a'}"),
    "not a number": malformed(b'{"value": "a", "timestamp": NaN}'),
    "control character": malformed(b'{"value": "a\nb"}'),
    "bad escape": malformed(b'{"value": "\\x"}'),
    "bytes that are not utf-8": malformed(b'{"value": "\xff"}', "UTF-8"),
    "utf-16": malformed('{"value": "a"}'.encode("utf-16")),
    "very deep": malformed(b"[" * 100_000, "deep"),
    "very deep in a message": malformed(b'{"value": ' + b'{"a":' * 100_000),
    "huge number": malformed(b'{"value": "a", "timestamp": ' + b"9" * 10_000 + b"}"),
    "a string": invalid('"hello"', "body"),
    "a number": invalid("5", "body"),
    "null": invalid("null", "body"),
    "array of strings": invalid('["a", "b"]', "[0]", "[1]"),
    "array in an array": invalid('[[{"value": "a"}]]', "[0]"),
    "empty object": invalid("{}", "value", says="value: missing"),
    "no value": invalid('{"key": "k"}', "value", says="missing"),
    "no value in an array": invalid('[{"value": "a"}, {"key": "k"}]', "[1].value"),
    "value is a number": invalid('{"value": 5}', "value", says="string"),
    "value is an object": invalid('{"value": {"a": 1}}', "value"),
    "key is a number": invalid('{"value": "a", "key": 5}', "key"),
    "unknown field": invalid('{"value": "a", "headrs": []}', "headrs", says="headers"),
    "another unknown field": invalid('{"valeu": "a"}', "valeu", "value", says="value"),
    "field of another case": invalid('{"value": "a", "Key": "k"}', "Key", says="key"),
    "unknown field of a header": invalid(
        '{"value": "a", "headers": [{"key": "k", "value": "v", "vlaue": "x"}]}', "headers[0].vlaue", says="value"
    ),
    "value twice": invalid('{"value": "first", "value": "last"}', "value", says="more than once"),
    "value of a header twice": invalid(
        '[{"value": "a", "headers": [{"key": "k", "value": "v", "value": "w"}]}]',
        "[0].headers[0].value",
        says="more than once",
    ),
    "headers are an object": invalid('{"value": "a", "headers": {"k": "v"}}', "headers"),
    "header without value": invalid('{"value": "a", "headers": [{"key": "k"}]}', "headers[0].value"),
    "header without key": invalid('{"value": "a", "headers": [{"value": "v"}]}', "headers[0].key"),
    "header value is a number": invalid('{"value": "a", "headers": [{"key": "k", "value": 1}]}', "headers[0].value"),
    "header is a string": invalid('{"value": "a", "headers": ["k: v"]}', "headers[0]"),
    "partition is a string": invalid('{"value": "a", "partition": "1"}', "partition"),
    "partition has a fraction": invalid('{"value": "a", "partition": 1.5}', "partition"),
    "partition is true": invalid('{"value": "a", "partition": true}', "partition"),
    "partition over 32 bits": invalid('[{"value": "a", "partition": 2147483648}]', "[0].partition"),
    "timestamp over 64 bits": invalid('[{"value": "a", "timestamp": 9223372036854775808}]', "[0].timestamp"),
    "timestamp in scientific notation": invalid('{"value": "a", "timestamp": 1e308}', "timestamp"),
    "timestamp is a date": invalid('{"value": "a", "timestamp": "2026-11-23T10:00:00Z"}', "timestamp"),
    "lone surrogate": invalid('{"value": "\\ud800"}', "value", says="surrogate"),
    "lone surrogate in a key": invalid('{"value": "a", "key": "\\udc00 x"}', "key"),
    "lone surrogate in a header": invalid(
        '{"value": "a", "headers": [{"key": "\\ud800", "value": ""}]}', "headers[0].key"
    ),
    "topic of another path": invalid('{"value": "a", "topic": "other"}', "topic", says="other"),
    "topic of another path in an array": invalid('[{"value": "a"}, {"value": "a", "topic": "other"}]', "[1].topic"),
    "no topic": invalid('{"value": "a"}', "topic", target="/produce"),
    "null topic": invalid('[{"value": "a", "topic": null}]', "[0].topic", target="/produce"),
    "everything wrong at once": invalid(
        '[{"value": 1, "key": 2}, {"headrs": []}, 7, {"value": "a"}]',
        "[0].value",
        "[0].key",
        "[1].headrs",
        "[1].value",
        "[2]",
    ),
}

PATHS = {
    "root": Fault(method="GET", target="/", status=404, reason="ROUTE_NOT_FOUND"),
    "unknown route": Fault(method="GET", target="/topics", status=404, reason="ROUTE_NOT_FOUND"),
    "almost the route": Fault(target="/produced", body=b"{}", status=404, reason="ROUTE_NOT_FOUND"),
    "another case": Fault(target="/Produce", body=b"{}", status=404, reason="ROUTE_NOT_FOUND"),
    "no topic but a message": Fault(method="GET", target="/produce//m"),
    "service of the transcoder": Fault(
        target="/twinpost.v1.ProducerRestService/Produce", body=b"", status=404, reason="ROUTE_NOT_FOUND"
    ),
    "message by POST": Fault(target="/produce/{topic}/m", status=405, reason="METHOD_NOT_ALLOWED"),
    "message and a body": Fault(method="GET", target="/produce/{topic}/m", body=b'{"value": "a"}'),
    **{
        f"{method} {target}": Fault(method=method, target=target, status=405, reason="METHOD_NOT_ALLOWED")
        for method in ("PUT", "DELETE", "PATCH")
        for target in ("/produce", "/produce/{topic}", "/produce/{topic}/m")
    },
}

QUERIES = {
    "unknown parameter": Fault(method="GET", target="/produce/{topic}/m?keey=k", says="keey"),
    "topic as parameter": Fault(method="GET", target="/produce/{topic}/m?topic=evil", says="topic"),
    "message as parameter": Fault(method="GET", target="/produce/{topic}/m?message=evil", says="message"),
    "body as parameter": Fault(method="GET", target="/produce/{topic}/m?body.data=eHh4", says="body"),
    "nested body parameter": Fault(method="GET", target="/produce/{topic}/m?body.extensions.value=x", says="body"),
    "parameter twice": Fault(method="GET", target="/produce/{topic}/m?key=a&key=b", says="twice"),
    "parameter without a value": Fault(method="GET", target="/produce/{topic}/m?key", says="="),
    "key where messages have their own": Fault(target="/produce/{topic}?key=k", body=b'{"value": "a"}', says="key"),
    "unknown parameter of a post": Fault(target="/produce?pretty", body=b"[]", says="pretty"),
    "markup": Fault(method="GET", target="/produce/{topic}/m?%3Cscript%3E=1", says="script"),
}

HEADERS = {
    "another encoding": Fault(
        body=b"x", headers={"Content-Encoding": "br"}, status=415, reason="UNSUPPORTED_ENCODING", says="gzip"
    ),
    "two encodings": Fault(
        body=b"x", headers={"Content-Encoding": "gzip, gzip"}, status=415, reason="UNSUPPORTED_ENCODING"
    ),
    "not gzip": Fault(body=b'{"value": "a"}', headers={"Content-Encoding": "gzip"}, says="gzip"),
    "gzip of nothing": Fault(body=gzip.compress(b""), headers={"Content-Encoding": "gzip"}),
    "gzip cut short": Fault(
        body=gzip.compress(b'{"value": "a"}')[:-4], headers={"Content-Encoding": "gzip"}, says="gzip"
    ),
    "gzip with junk behind": Fault(
        body=gzip.compress(b'{"value": "a"}') + b"junk", headers={"Content-Encoding": "gzip"}
    ),
    "gzip bomb": Fault(
        body=gzip.compress(b" " * (64 * MIB), 9),
        headers={"Content-Encoding": "gzip"},
        status=413,
        reason="REQUEST_TOO_LARGE",
        says=str(16 * MIB),
    ),
    "deadline is a word": Fault(body=b'{"value": "a"}', headers={"Request-Timeout": "soon"}, says="Request-Timeout"),
    "deadline is zero": Fault(body=b'{"value": "a"}', headers={"Request-Timeout": "0"}, says="Request-Timeout"),
    "deadline is negative": Fault(body=b'{"value": "a"}', headers={"Request-Timeout": "-1"}, says="Request-Timeout"),
}

SIZES = {
    "body over the limit": Fault(
        body=b'{"value": "' + b"x" * (17 * MIB) + b'"}', status=413, reason="REQUEST_TOO_LARGE", says=str(16 * MIB)
    ),
    "record over the limit": Fault(
        body=b'{"value": "' + b"x" * (MIB + 1) + b'"}', status=413, reason="RECORD_TOO_LARGE", says=f"{MIB + 1} .*{MIB}"
    ),
    "escapes under the limit that are a record over it": Fault(
        # Two bytes in the JSON for one in the record, and the record is what counts.
        body=b'{"value": "' + b"\\n" * (MIB + 1) + b'"}',
        status=413,
        reason="RECORD_TOO_LARGE",
        says=f"{MIB + 1} .*{MIB}",
    ),
    "records over the limit": Fault(
        body=json.dumps([{"value": "a"}] * 10_001).encode(),
        status=413,
        reason="REQUEST_TOO_LARGE",
        says="10001 .*10000",
    ),
}

FAULTS = BODIES | PATHS | QUERIES | HEADERS | SIZES


@pytest.fixture(scope="module")
def topic(apache_kafka: ApacheKafka) -> Iterator[str]:
    """One topic for the module, which holds nothing in the end: whatever was refused was refused whole."""
    apache_kafka.create_topic(TOPIC)
    yield TOPIC
    assert [] == read_topic(apache_kafka.bootstrap_servers, TOPIC)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_fault_is_answered_with_the_one_error_shape(gateway: Gateway, topic: str, fault: Fault) -> None:
    """Status, reason and places are right, the message says what helps, and nothing was delivered."""
    target = fault.target.replace("{topic}", topic)
    response = gateway.rest.send(fault.method, target, body=fault.body, headers=fault.headers)

    error = checked_error(response)
    assert (fault.status, fault.reason) == (response.status, error["reason"])
    assert ("no", False) == (error["delivered"], error["retriable"])
    if fault.violations is not None:
        assert fault.violations == {violation["path"] for violation in error["violations"]}
    assert re.search(fault.says, json.dumps([error["error"], error.get("violations")])), error
    if response.status == 405:
        allowed = "GET" if target.endswith("/m") else "GET, POST"
        assert allowed == response.headers["Allow"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic bXl1c2Vy",
        "Basic /w==",
        "Bearer abc",
        User(MYUSER.name, MYUSER.password + " ").authorization,
        User(MYUSER.name, MYUSER.password.upper()).authorization,
        User(MYUSER.name.upper(), MYUSER.password).authorization,
        MYUSER.authorization + "AA",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/m"), ("POST", "")])
def test_without_good_credentials_it_is_401_with_a_challenge(
    gateway: Gateway, topic: str, method: str, path: str, authorization: str | None
) -> None:
    """A browser or a client learns from the challenge what to send."""
    headers = {} if authorization is None else {"Authorization": authorization}
    body = b'{"value": "a"}' if method == "POST" else None
    response = RestClient(gateway.port, None).send(method, f"/produce/{topic}{path}", body=body, headers=headers)

    assert 401 == response.status
    assert "UNAUTHENTICATED" == checked_error(response)["reason"]
    assert 'Basic realm="twinpost"' == response.headers["WWW-Authenticate"]


def test_scheme_of_the_credentials_is_read_in_any_case(gateway: Gateway) -> None:
    """RFC 9110 makes it a case-insensitive word."""
    headers = {"Authorization": MYUSER.authorization.replace("Basic", "bAsIc")}
    response = RestClient(gateway.port, None).send("POST", "/produce", body=b"[]", headers=headers)

    assert (200, []) == (response.status, response.json())


@pytest.mark.parametrize(
    "headers",
    [
        {"x-http-status": "418"},
        {"x-envoy-original-path": "/produce/evil/m"},
        {"x-envoy-original-method": "DELETE"},
        {"grpc-encoding": "bogus"},
        {"grpc-timeout": "1n"},
        {"content-type": "application/grpc"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"te": "trailers"},
        {"x-envoy-upstream-rq-timeout-ms": "1"},
        {"x-envoy-retry-on": "5xx"},
    ],
    ids=str,
)
def test_headers_meant_for_the_inside_change_nothing(
    gateway: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str], headers: dict[str, str]
) -> None:
    """A caller cannot speak to the worker past Envoy: the record is stored where the path says, or plainly refused."""
    topic = topic_name()
    apache_kafka.create_topic(topic)

    response = gateway.rest.send("POST", f"/produce/{topic}", body=b'{"value": "a"}', headers=headers)

    assert 200 == response.status, response.body
    assert [topic] == [place["topic"] for place in response.json()]
    assert [b"a"] == [record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)]


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain", "", "nonsense"])
def test_body_is_json_whatever_its_content_type_says(gateway: Gateway, content_type: str | None) -> None:
    """`curl -d` says that it sends a form."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = gateway.rest.send("POST", "/produce", body=b" [ ] ", headers=headers)

    assert (200, []) == (response.status, response.json())


@pytest.mark.parametrize("compress", [gzip.compress, lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_inflated(
    gateway: Gateway,
    apache_kafka: ApacheKafka,
    topic_name: Callable[[], str],
    compress: Callable[[bytes], bytes],
    encoding: str,
) -> None:
    """In one member or in several, as gzip files may be."""
    topic = topic_name()
    apache_kafka.create_topic(topic)
    body = json.dumps([{"value": "x" * 100_000}, {"value": "y"}]).encode()

    response = gateway.rest.send(
        "POST", f"/produce/{topic}", body=compress(body), headers={"Content-Encoding": encoding}
    )

    assert 200 == response.status, response.body
    values = {record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)}
    assert {b"x" * 100_000, b"y"} == values


def test_url_over_envoys_limit_is_refused_in_the_same_shape(gateway: Gateway, topic: str) -> None:
    """Request headers are bounded; the answer says so in JSON too."""
    response = gateway.rest.send("GET", f"/produce/{topic}/{'x' * 100_000}")

    error = checked_error(response)
    assert response.status in {413, 414, 431}
    assert "no" == error["delivered"]


def test_long_url_under_the_limit_is_stored(
    gateway: Gateway, apache_kafka: ApacheKafka, topic_name: Callable[[], str]
) -> None:
    """Fifty thousand characters pass Envoy, its copy of the path for the worker, and the worker's own limit."""
    topic = topic_name()
    apache_kafka.create_topic(topic)
    message = "0123456789" * 5000

    response = gateway.rest.send("GET", f"/produce/{topic}/{message}")

    assert 200 == response.status, response.body
    assert [message.encode()] == [record.value for record in read_topic(apache_kafka.bootstrap_servers, topic)]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_needs_no_credentials(gateway: Gateway, path: str) -> None:
    """Balancers and orchestrators have none."""
    assert 200 == RestClient(gateway.port, None).send("GET", path).status
