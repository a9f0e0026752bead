"""Whatever request one can think of: its answer is honest, in the one shape, and in time."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.conformance.doors import checked_error
from tests.gateway.rest import RestResponse
from tests.hostile.besieged import TOPIC, Besieged
from tests.hostile.raw_call import produce_raw
from tests.hostile.wire import LEAKS, exchange, request
from twinpost.v1 import producer_service_pb2, record_pb2

_DEADLINE_S = 5
_REQUESTS = 800

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from([TOPIC, "", ".", "..", "a/b", "\ud800", "\0", "9" * 400, "é", "😀", "no-such-topic"]),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
HEADER = st.fixed_dictionaries(
    {"key": st.text(max_size=10), "value": st.text(max_size=10)}, optional={"vlaue": SCALARS}
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "topic": st.just(TOPIC) | SCALARS,
        "value": st.text(max_size=40) | JSON,
        "key": st.none() | st.text(max_size=10) | SCALARS,
        "partition": st.none() | st.integers(-1, 5) | SCALARS,
        "timestamp": st.none() | st.integers(-1, 2**63) | SCALARS,
        "headers": st.none() | st.lists(HEADER, max_size=3) | JSON,
        "headrs": JSON,
    },
)
GOOD = st.fixed_dictionaries(
    {"topic": st.just(TOPIC), "value": st.none() | st.text(st.characters(codec="utf-8"), max_size=40)},
    optional={
        "key": st.none() | st.text(st.characters(codec="utf-8"), max_size=10),
        "partition": st.none() | st.integers(0, 3),
        "timestamp": st.none() | st.integers(1, 2**41),
        "headers": st.lists(st.fixed_dictionaries({"key": st.just("k"), "value": st.text("é\n\0😀")}), max_size=3),
    },
)
DOCUMENT = st.one_of(GOOD, st.lists(GOOD, max_size=4), MESSAGE, st.lists(MESSAGE | GOOD, max_size=4), JSON)


def mangled(body: bytes, at: int, cut: int, junk: bytes) -> bytes:
    """Return `body` with `cut` bytes replaced by `junk`."""
    at %= len(body) + 1
    return body[:at] + junk + body[at + cut :]


ENCODED = DOCUMENT.map(lambda document: json.dumps(document, ensure_ascii=True).encode())
BODIES = st.one_of(
    st.none(),
    ENCODED,
    st.binary(max_size=200),
    st.builds(mangled, ENCODED, st.integers(0, 400), st.integers(0, 5), st.binary(max_size=5)),
)

SEGMENT = st.one_of(
    st.just(TOPIC),
    st.sampled_from(["", ".", "..", "%2e%2e", "a%2Fb", "%00", "%FF", "%", "%zz", "*", "no-such-topic", "é", "{}", ";"]),
    st.text(max_size=20).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")),
)
QUERY = st.one_of(
    st.just(""),
    st.sampled_from(["?key=k", "?key=", "?key", "?key=a&key=b", "?", "?&&", "?keey=k", "?body.data=eHh4", "?topic=t"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=20).map("?{}".format),
)
TARGETS = st.one_of(
    st.sampled_from(["/produce", f"/produce/{TOPIC}", f"/produce/{TOPIC}/m"]),
    st.builds("/produce/{}{}".format, SEGMENT, QUERY),
    st.builds("/produce/{}/{}{}".format, SEGMENT, SEGMENT, QUERY),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["/produce", "/Produce", "/producer", "", "/livez", "/readyz", "//produce", "/twinpost.v1"]),
        st.lists(SEGMENT, max_size=4).map(lambda segments: "".join(f"/{segment}" for segment in segments)),
        QUERY,
    ),
)
METHODS = st.sampled_from(["POST"] * 16 + ["GET"] * 10 + ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc"]), max_size=20)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            *("content-type", "content-encoding", "request-timeout", "grpc-timeout", "grpc-encoding", "x-request-id"),
            *("x-envoy-original-path", "x-http-status", "accept", "origin", "te", "x-bin", "traceparent", "cookie"),
        ]
    ),
    VALUES
    | st.sampled_from(
        ["gzip", "identity", "br", "5", "0.5", "1e9", "application/json", "application/grpc", "trailers"]
    ),
    max_size=3,
)


PROTOBUF = st.one_of(
    st.binary(max_size=100),
    st.lists(
        st.builds(
            record_pb2.Record,
            topic=st.sampled_from([TOPIC, TOPIC, "", "..", "a/b", "no-such-topic"]),
            value=st.none() | st.binary(max_size=40),
            key=st.none() | st.binary(max_size=10),
            partition=st.none() | st.integers(-1, 5) | st.integers(-(2**31), 2**31 - 1),
            timestamp=st.none() | st.integers(-1, 2**63 - 1),
            headers=st.lists(
                st.builds(record_pb2.Header, key=st.text(max_size=5), value=st.none() | st.binary(max_size=5)),
                max_size=3,
            ),
        ),
        max_size=4,
    ).map(lambda records: producer_service_pb2.ProduceRequest(records=records).SerializeToString()),
)
CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}

PROFILE = settings(
    max_examples=_REQUESTS,
    deadline=None,
    derandomize=True,
    database=None,
    # A smaller example is no help where each run is another request to a living gateway.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@PROFILE
@given(method=METHODS, target=TARGETS, fields=FIELDS, body=BODIES, compressed=st.booleans())
def test_every_answer_is_honest(
    besieged: Besieged, method: str, target: str, fields: Mapping[str, str], body: bytes | None, *, compressed: bool
) -> None:
    """Never a 500, a hang or a word of the inside."""
    lines = {**fields}
    if compressed and body is not None:
        body = gzip.compress(body, 1)
        lines["content-encoding"] = "gzip"
    began = time.monotonic()
    response = _sent(besieged, method, target, lines, body)
    took_s = time.monotonic() - began

    event(f"status {response.status}")
    assert took_s < _DEADLINE_S
    assert response.status in {200, 400, 401, 404, 405, 408, 413, 415, 429, 431}, (response.status, response.body)
    if method == "HEAD":
        assert b"" == response.body
    elif fields.get("content-type", "").startswith("application/grpc") and "grpc-status" in response.headers:
        # Outside of the REST routes, who says it speaks gRPC is answered in gRPC.
        assert response.headers["grpc-status"] not in {"0", "2", "13"}
    else:
        _assert_honest(response)


@pytest.fixture(scope="module")
def channel(shared_gateway: Besieged) -> Iterator[grpc.Channel]:
    """A connection for native calls."""
    with grpc.insecure_channel(shared_gateway.gateway.address) as opened:
        yield opened


@PROFILE
@given(data=PROTOBUF)
@pytest.mark.usefixtures("besieged")
def test_every_native_answer_is_honest(channel: grpc.Channel, data: bytes) -> None:
    """It names its reason, and never blames the gateway."""
    end = produce_raw(channel, data, timeout_s=_DEADLINE_S)

    event(f"code {end.code.name}")
    assert end.code in CODES, end
    if end.code is grpc.StatusCode.OK:
        producer_service_pb2.ProduceResponse.FromString(end.answer)
    else:
        assert ("twinpost", "no") == (end.info.domain, end.info.metadata["delivered"])
        # The name of the message that was expected is part of the published contract.
        text = end.text.lower().replace("twinpost.v1.produce", "")
        assert [] == [word for word in LEAKS if word in text]


def _sent(besieged: Besieged, method: str, target: str, fields: Mapping[str, str], body: bytes | None) -> RestResponse:
    """Send the request over raw HTTP/1.1, since client libraries mend what they are given."""
    lines = [f"{name}: {value}".encode("latin-1") for name, value in fields.items()]
    data = request(target.encode(), *lines, method=method.encode(), body=body)
    [response] = exchange(besieged, data).responses
    return response


def _assert_honest(response: RestResponse) -> None:
    document: Any = response.json()
    if response.status != 200:
        error = checked_error(response)
        assert (error["retriable"], error["delivered"]) == (response.status in {408, 429, 503, 504}, "no")
        assert len(response.body) < 64 * 1024
        text = error["error"].lower()
        assert [] == [word for word in LEAKS if word in text]
    elif isinstance(document, list):
        assert all(TOPIC == place["topic"] and place["offset"] >= 0 for place in document)
