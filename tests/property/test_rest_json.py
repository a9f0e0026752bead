"""JSON bodies: what was written is read, and any bytes at all are records or a refusal that can be sent."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.rpc.rest_json import RestDecoder, encode_failure, encode_outcome, encode_outcomes

LIMITS = Limits(record_bytes_max=2**20, record_headers_max=3, request_records_max=4, body_bytes_max=2**24)
STRICT = RestDecoder(LIMITS, unknown_fields="refuse")
LENIENT = RestDecoder(LIMITS, unknown_fields="ignore")

NAMES = ["topic", "partition", "timestamp", "key", "value", "headers"]
# Texts that look like names, and everything else that UTF-8 can say.
TEXT = st.one_of(st.sampled_from(NAMES), st.text(st.characters(codec="utf-8"), max_size=12))
GOOD_HEADERS = st.lists(
    st.fixed_dictionaries({"key": TEXT.map(lambda text: text.replace("\0", "")), "value": TEXT}), max_size=3
)
GOOD_MESSAGES = st.fixed_dictionaries(
    {"value": st.one_of(st.none(), TEXT)},
    optional={
        "topic": st.sampled_from([None, "t"]),
        "partition": st.one_of(st.none(), st.integers(0, 2**31 - 1)),
        "timestamp": st.one_of(st.none(), st.integers(1, 2**63 - 1)),
        "key": st.one_of(st.none(), TEXT),
        "headers": st.one_of(st.none(), GOOD_HEADERS),
    },
)
# Messages with anything in any field: most are bad, some are good.
ANY_TEXT = st.one_of(TEXT, st.text(st.characters(exclude_categories=[]), max_size=5))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([0, -1, 2**31, 2**63, 10**30]), st.floats(), ANY_TEXT
)
ANY_HEADER = st.one_of(
    SCALARS, st.dictionaries(st.one_of(st.sampled_from(["key", "value"]), ANY_TEXT), SCALARS, max_size=3)
)
ANY_VALUE = st.one_of(
    SCALARS,
    st.lists(ANY_HEADER, max_size=4),
    st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(ANY_TEXT, inner)), max_leaves=5),
)
ANY_MESSAGE = st.one_of(
    GOOD_MESSAGES,
    ANY_VALUE,
    st.builds(
        lambda good, more: good | more,
        GOOD_MESSAGES,
        st.dictionaries(st.one_of(st.sampled_from(NAMES), ANY_TEXT), ANY_VALUE, max_size=2),
    ),
)
ANY_DOCUMENT = st.one_of(ANY_MESSAGE, st.lists(ANY_MESSAGE, max_size=5))


@st.composite
def written(draw: st.DrawFn, documents: st.SearchStrategy[Any]) -> bytes:
    """Draw one of the ways to write a document as JSON."""
    document = draw(documents)
    indent = draw(st.sampled_from([None, 0, 2]))
    separators = draw(st.sampled_from([None, (",", ":"), (" , ", "\t:\r\n")]))
    text = json.dumps(document, ensure_ascii=draw(st.booleans()), indent=indent, separators=separators)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a body with a few bytes changed, put in or left out."""
    body = bytearray(draw(written(ANY_DOCUMENT)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 4))] = draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"\\u", b'"', b"[", b"{", b"1e999", b'"value":', b"null"])
            )
        )
    return bytes(body)


def read(decoder: RestDecoder, body: bytes, topic: str | None) -> list[Record] | Failure:
    """Read `body` as the service does: fast, and slowly where that is not enough."""
    decoded = decoder.decode(body, topic)
    if decoded is None:
        failure = decoder.explain(body, topic)
        if failure is not None:
            return failure
        decoded = decoder.decode(body, topic, names_checked=True)
    assert decoded is not None or decoder is LENIENT
    return [] if decoded is None else decoded.records


def verdict(body: bytes, topic: str | None) -> set[str] | None:
    """Return the places that are wrong after the fast reading, or `None` where it cannot say."""
    decoded = STRICT.decode(body, topic, names_checked=True)
    if decoded is None:
        return None
    try:
        if decoded.records:
            RecordBatch.checked(decoded.records, LIMITS)
    except RequestFailed as refused:
        if refused.failure.reason is not Reason.INVALID_RECORD:
            return None
        prefix = "[0]." if decoded.single else ""
        return {violation.path.removeprefix(prefix) for violation in refused.failure.violations}
    return set()


@given(st.data(), st.one_of(GOOD_MESSAGES, st.lists(GOOD_MESSAGES, max_size=4)))
def test_messages_are_read_as_they_were_written(data: st.DataObject, document: dict[str, Any] | list[Any]) -> None:
    """However they are spaced and escaped, and whatever their texts look like."""
    records = read(STRICT, data.draw(written(st.just(document))), "t")
    assert not isinstance(records, Failure)
    messages = document if isinstance(document, list) else [document]
    for message, record in zip(messages, records, strict=True):
        found = {
            "topic": record.topic,
            "partition": record.partition,
            "timestamp": record.timestamp,
            "key": record.key,
            "value": record.value,
            "headers": [{"key": header.key, "value": header.value} for header in record.headers or ()],
        }
        expected = dict.fromkeys(NAMES) | message
        expected["topic"] = "t"
        expected["headers"] = expected["headers"] or []
        assert expected == found


@given(st.one_of(st.binary(), written(ANY_DOCUMENT), damaged()), st.sampled_from([None, "t"]))
@example(b'{"topic":"\\ud800","value":"x"}', "t")
@example(b'{"value":"x","partition":' + b"9" * 4301 + b"}", "t")
@example(b"[" * 100_000, None)
@example(b'{"value":"x","z":' + b'{"":' * 100_000, "t")
def test_any_bytes_are_records_or_a_refusal_that_can_be_sent(body: bytes, topic: str | None) -> None:
    """Nothing else ever comes of them, by either setting, and the refusal is JSON of bounded length."""
    for decoder in (STRICT, LENIENT):
        found = read(decoder, body, topic)
        if isinstance(found, Failure):
            assert found.delivered is Delivered.NO
            answer = encode_failure(found, ())
            assert found.message == json.loads(answer)["error"]
            assert len(answer) < 100 * 1000
        else:
            assert all(record.topic.encode() is not None for record in found)


@given(written(ANY_DOCUMENT), st.sampled_from([None, "t"]))
def test_both_readings_agree(body: bytes, topic: str | None) -> None:
    """The slow reading finds fault exactly where the fast one and the core's rules do."""
    places = verdict(body, topic)
    failure = STRICT.explain(body, topic)
    if places is None:
        assert failure is not None
    elif failure is None or failure.reason is not Reason.REQUEST_TOO_LARGE:
        assert places == {violation.path for violation in (failure.violations if failure else ())}


@st.composite
def repeating(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Draw good messages, some of whose names may be repeated or escaped, and whether one is repeated."""
    messages = []
    repeated = False
    for message in draw(st.lists(GOOD_MESSAGES, min_size=1, max_size=4)):
        more = draw(GOOD_MESSAGES) if draw(st.booleans()) else {}
        again = [(name, value) for name, value in more.items() if draw(st.booleans())]
        fields = draw(st.permutations([*message.items(), *again]))
        repeated = repeated or len({name for name, _ in fields}) < len(fields)
        spelled = []
        for name, value in fields:
            at = draw(st.integers(-3, len(name) - 1))
            escaped = name if at < 0 else f"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}"
            spelled.append(f'"{escaped}":{json.dumps(value)}')
        messages.append("{" + ",".join(spelled) + "}")
    return f"[{','.join(messages)}]".encode(), repeated


@given(repeating())
def test_a_name_is_given_once(body_and_repeated: tuple[bytes, bool]) -> None:
    """However it is spelled, and whatever the other messages leave out or say is null."""
    body, repeated = body_and_repeated
    assert repeated is isinstance(read(STRICT, body, "t"), Failure)


INT64 = st.integers(0, 2**63 - 1)
METADATA = st.builds(RecordMetadata, st.text("abc._-", min_size=1), st.integers(0, 2**31 - 1), INT64, INT64)


@given(st.lists(METADATA, max_size=10))
def test_answers_are_exact(outcomes: list[Outcome]) -> None:
    """JSON numbers, to the last bit of 64, in request order."""
    told = json.loads(encode_outcomes(outcomes))
    assert outcomes == [RecordMetadata(**element) for element in told]
    assert [json.loads(encode_outcome(outcome)) for outcome in outcomes] == told


@given(
    st.builds(Failure, reason=st.sampled_from(Reason), message=TEXT, delivered=st.sampled_from(Delivered)),
    st.lists(st.one_of(METADATA, st.builds(Failure, reason=st.sampled_from(Reason), message=TEXT)), max_size=5),
)
def test_failures_are_told_exactly(failure: Failure, outcomes: list[Outcome]) -> None:
    """With one result for each outcome, in its place."""
    told = json.loads(encode_failure(failure, outcomes))
    assert (failure.message, failure.reason, failure.delivered) == (told["error"], told["reason"], told["delivered"])
    results = told.get("results", [])
    expected = [outcome.message if isinstance(outcome, Failure) else outcome.offset for outcome in outcomes]
    assert expected == [result.get("error", result.get("offset")) for result in results]
