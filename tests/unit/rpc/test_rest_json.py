"""JSON to records, and outcomes to JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.rpc.served import LIMITS
from twinpost_server.core.errors import Delivered, Failure, Reason, Violation
from twinpost_server.core.records import Header, Record, RecordMetadata
from twinpost_server.rpc.rest_json import Decoded, RestDecoder, encode_failure, encode_outcome, encode_outcomes

STRICT = RestDecoder(LIMITS, unknown_fields="refuse")
LENIENT = RestDecoder(LIMITS, unknown_fields="ignore")
LARGEST = 2**63 - 1


def fields(decoded: Decoded | None) -> list[tuple[Any, ...]]:
    """Return the fields of the records in a body, which must have been read."""
    assert decoded is not None
    return [
        (
            record.value,
            record.topic,
            record.key,
            record.partition,
            record.timestamp,
            [(header.key, header.value) for header in record.headers or ()],
        )
        for record in decoded.records
    ]


class TestDecode:
    """The fast reading."""

    def test_one_message_and_many_are_read_alike(self) -> None:
        """An array of one is the same request as the message alone."""
        message = b'{"value":"x","topic":"t","key":"k","partition":1,"timestamp":2,"headers":[{"key":"h","value":"v"}]}'
        expected = [("x", "t", "k", 1, 2, [("h", "v")])]
        for body in (message, b"[" + message + b"]", b" \n" + message + b"\t"):
            assert expected == fields(STRICT.decode(body, None))

    def test_records_are_what_the_core_takes(self) -> None:
        """Nothing is built twice on the way."""
        decoded = STRICT.decode(b'[{"value":"x","headers":[{"key":"h","value":"v"}]}]', "t")
        assert decoded is not None
        (record,) = decoded.records
        assert record.headers is not None
        assert (True, True) == (isinstance(record, Record), isinstance(record.headers[0], Header))

    @pytest.mark.parametrize(
        ("body", "single"), [(b'{"value":"x"}', True), (b'[{"value":"x"}]', False), (b"[]", False)]
    )
    def test_one_message_is_told_from_an_array_of_one(self, body: bytes, *, single: bool) -> None:
        """Refusals point into the body as it was sent."""
        decoded = STRICT.decode(body, "t")
        assert decoded is not None
        assert single is decoded.single

    @pytest.mark.parametrize("body", [b'{"value":"x"}', b'{"value":"x","topic":null}', b'{"value":"x","topic":"t"}'])
    def test_topic_comes_from_the_path_or_repeats_it(self, body: bytes) -> None:
        """Both are the same request."""
        assert [("x", "t", None, None, None, [])] == fields(STRICT.decode(body, "t"))

    def test_integers_are_exact(self) -> None:
        """Beyond the doubles of other JSON readers."""
        body = b'{"value":"x","partition":%d,"timestamp":%d}' % (LARGEST, LARGEST)
        assert [("x", "t", None, LARGEST, LARGEST, [])] == fields(STRICT.decode(body, "t"))

    @pytest.mark.parametrize(
        ("body", "topic"),
        [
            pytest.param(b"", "t", id="nothing"),
            pytest.param(b"[", "t", id="half"),
            pytest.param(b"1", "t", id="number"),
            pytest.param(b"{}", "t", id="no value"),
            pytest.param(b'{"value":1}', "t", id="wrong type"),
            pytest.param(b'{"value":"x","more":1}', "t", id="unknown field"),
            pytest.param(b'{"value":"x"}', None, id="no topic"),
            pytest.param(b'{"value":"x","topic":null}', None, id="null topic"),
            pytest.param(b'{"value":"x","topic":"u"}', "t", id="another topic"),
            pytest.param(b'[{"value":"x","topic":"t"},{"value":"x","topic":"u"}]', "t", id="another topic, later"),
            pytest.param(b'{"value":"\\ud800"}', "t", id="lone surrogate"),
            pytest.param(b'{"value":"\xff"}', "t", id="not UTF-8"),
            pytest.param(b"[" * 100_000, "t", id="deep"),
            pytest.param(b'{"value":"x","partition":1.0}', "t", id="fraction"),
            pytest.param(b'{"value":"x","partition":true}', "t", id="boolean"),
            pytest.param(b'{"value":"x","partition":"1"}', "t", id="number in a string"),
            pytest.param(b'{"value":"x","headers":[{"key":"k","value":null}]}', "t", id="null header"),
            pytest.param(b'{"value":"x","value":"y"}', "t", id="value twice"),
            pytest.param(b'{"value":"x","key":"y","key":"y"}', "t", id="key twice"),
            pytest.param(b'{"value":"x","key":null,"key":"y"}', "t", id="key twice, once null"),
            pytest.param(b'{"value":"x","headers":[],"headers":[]}', "t", id="headers twice"),
            pytest.param(
                b'[{"value":"a","partition":null,"partition":1},{"value":"b"}]',
                "t",
                id="partition twice, for another's",
            ),
            pytest.param(
                b'[{"value":"a","key":"k","key":null},{"value":"b","key":null}]', "t", id="key twice, null twice"
            ),
            pytest.param(b'{"value":"x","key":"a","k\\u0065y":"b"}', "t", id="key twice, once escaped"),
            pytest.param(b'{"value":"x","\\u0076alue":"b"}', "t", id="value twice, once escaped"),
            pytest.param(b'{"value":"x","headers":[{"key":"a","value":"","ke\\u0079":"b"}]}', "t", id="header's key"),
            pytest.param(b'{"value":"x","headers":[{"key":"a","value":"","key":"b"}]}', "t", id="header key twice"),
        ],
    )
    def test_body_at_fault_is_left_to_the_slow_reading(self, body: bytes, topic: str | None) -> None:
        """Which finds what is wrong with it."""
        assert STRICT.decode(body, topic) is None
        assert STRICT.explain(body, topic) is not None

    def test_text_that_looks_like_a_name_passes_after_the_slow_reading(self) -> None:
        """A doubt is not a fault."""
        body = b'{"value":"key","key":"a:"}'
        assert (None, None) == (STRICT.decode(body, "t"), STRICT.explain(body, "t"))
        assert [("key", "t", "a:", None, None, [])] == fields(STRICT.decode(body, "t", names_checked=True))

    def test_ordinary_bodies_need_no_slow_reading(self) -> None:
        """Neither absent nor null nor repeated fields of different messages raise a doubt."""
        message = {"value": "x", "key": None, "partition": None, "topic": None, "headers": None, "timestamp": 1}
        body = json.dumps([message, {"value": None, "headers": [{"key": "a", "value": "b"}] * 3}, message])
        assert 3 == len(fields(STRICT.decode(body.encode(), "t")))

    def test_unknown_fields_are_skipped_where_that_is_set(self) -> None:
        """In messages and in headers, whatever is in them."""
        body = b'{"more":[{}],"value":"x","headers":[{"key":"h","value":"v","more":null}]}'
        assert [("x", "t", None, None, None, [("h", "v")])] == fields(LENIENT.decode(body, "t"))
        assert LENIENT.explain(body, "t") is None


class TestEncode:
    """Answers."""

    def test_metadata_is_exact_and_in_the_documented_order(self) -> None:
        """Numbers up to the last of 64 bits, as JSON numbers."""
        metadata = RecordMetadata("t", 2**31 - 1, LARGEST, LARGEST)
        expected = f'{{"topic":"t","partition":2147483647,"offset":{LARGEST},"timestamp":{LARGEST}}}'
        assert expected.encode() == encode_outcome(metadata)
        assert f"[{expected},{expected}]".encode() == encode_outcomes([metadata, metadata])

    def test_no_outcomes_are_an_empty_array(self) -> None:
        """`[]` answers `[]`."""
        assert b"[]" == encode_outcomes([])

    def test_plain_failure_has_five_fields(self) -> None:
        """What does not apply is left out."""
        expected = {
            "error": "no topic",
            "status": 404,
            "reason": "TOPIC_NOT_FOUND",
            "retriable": False,
            "delivered": "no",
        }
        assert expected == json.loads(encode_failure(Failure(reason=Reason.TOPIC_NOT_FOUND, message="no topic"), ()))

    def test_failure_brings_violations_and_results(self) -> None:
        """Where they apply."""
        lost = Failure(reason=Reason.DEADLINE_EXCEEDED, message="late", delivered=Delivered.UNKNOWN)
        failure = Failure(
            reason=Reason.INVALID_RECORD,
            message="bad",
            delivered=Delivered.PARTIAL,
            violations=(Violation("[3].headers[0].value", "expected a string"),),
        )
        answer = json.loads(encode_failure(failure, [RecordMetadata("t", 0, 1, 2), lost]))
        assert ("partial", 400) == (answer["delivered"], answer["status"])
        assert [{"path": "[3].headers[0].value", "problem": "expected a string"}] == answer["violations"]
        expected = [
            {"topic": "t", "partition": 0, "offset": 1, "timestamp": 2},
            {"error": "late", "reason": "DEADLINE_EXCEEDED", "retriable": True, "delivered": "unknown"},
        ]
        assert expected == answer["results"]
