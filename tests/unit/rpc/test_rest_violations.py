"""Everything that is wrong with a body."""

from __future__ import annotations

import dataclasses
import time

import pytest

from tests.unit.rpc.served import LIMITS
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Reason, RequestFailed, Violation
from twinpost_server.core.records import Record
from twinpost_server.rpc.rest_violations import explain, without_index

JSON_BYTES_MAX = 6 * LIMITS.record_bytes_max + 64 * 1024
"""What one message is read to: each byte as an escape, and what stands around them."""


def violations(body: bytes, topic: str | None = "t", *, ignoring: bool = False) -> list[tuple[str, str]]:
    """Return place and problem of each violation in `body`."""
    failure = explain(body, topic, LIMITS, unknown_fields_refused=not ignoring)
    if failure is None:
        return []
    assert (Reason.INVALID_RECORD, Delivered.NO) == (failure.reason, failure.delivered)
    return [(violation.path, violation.problem) for violation in failure.violations]


def paths(body: bytes, topic: str | None = "t", *, ignoring: bool = False) -> list[str]:
    """Return the places of the violations."""
    return [path for path, _ in violations(body, topic, ignoring=ignoring)]


def malformed(body: bytes) -> str:
    """Return how the unreadable `body` is told."""
    failure = explain(body, "t", LIMITS, unknown_fields_refused=True)
    assert failure is not None
    assert (Reason.MALFORMED_REQUEST, ["body"]) == (failure.reason, [v.path for v in failure.violations])
    return failure.message


class TestUnreadable:
    """Bodies that are no JSON."""

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            pytest.param(b"", "empty", id="nothing"),
            pytest.param(b" \r\n\t", "empty", id="white space"),
            pytest.param(b"{", "line 1 column 2", id="cut short"),
            pytest.param(b'[\n{"value":"x"},\n]', "line 3 column 1", id="comma too many"),
            pytest.param(b'{"value":"x"} x', "line 1 column 15", id="more behind"),
            pytest.param(b"value=x", "line 1 column 1", id="form"),
            pytest.param(b'{"value":"a\nb"}', "control character", id="raw newline in a text"),
            pytest.param(b'{"value":"\xff"}', "UTF-8 at byte 10", id="not UTF-8"),
            pytest.param(b"[" * 100_000, "nested too deeply", id="deep"),
            pytest.param(b'{"value":NaN}', "NaN", id="NaN"),
            pytest.param(b'{"value":-Infinity}', "Infinity", id="infinity"),
            pytest.param(b"9" * 5000, "too long to read", id="number of 5000 digits"),
        ],
    )
    def test_body_that_is_no_json_is_malformed(self, body: bytes, told: str) -> None:
        """The message says where or why."""
        assert told in malformed(body)


class TestTypes:
    """What a field must be."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"null", ["body"]),
            (b"1", ["body"]),
            (b'["x",null,[],1.5,true]', ["[0]", "[1]", "[2]", "[3]", "[4]"]),
            (b"{}", ["value"]),
            (b"[{}]", ["[0].value"]),
            (b'{"value":1}', ["value"]),
            (b'{"value":{"a":"b"}}', ["value"]),
            (b'{"value":true}', ["value"]),
            (b'{"value":null,"key":1}', ["key"]),
            (b'{"value":"","topic":1}', ["topic"]),
            (b'{"value":"","partition":"1"}', ["partition"]),
            (b'{"value":"","partition":1.0}', ["partition"]),
            (b'{"value":"","partition":false}', ["partition"]),
            (b'{"value":"","timestamp":[]}', ["timestamp"]),
            (b'{"value":"","headers":{}}', ["headers"]),
            (b'{"value":"","headers":"x"}', ["headers"]),
            (b'{"value":"","headers":["x"]}', ["headers[0]"]),
            (b'{"value":"","headers":[{}]}', ["headers[0].key", "headers[0].value"]),
            (b'{"value":"","headers":[{"key":null,"value":1}]}', ["headers[0].key", "headers[0].value"]),
            (b'{"value":"","headers":[{"key":"\\ud800","value":""}]}', ["headers[0].key"]),
            (b'{"value":"\\udc00"}', ["value"]),
        ],
    )
    def test_wrong_type_is_named_by_its_place(self, body: bytes, expected: list[str]) -> None:
        """By a path into the body as it was sent."""
        assert expected == paths(body)

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            (b"null", "null"),
            (b"true", "a boolean"),
            (b"1", "an integer"),
            (b"1.0", "a number with a fraction or exponent"),
            (b'"x"', "a string"),
            (b"[]", "an array"),
            (b"{}", "an object"),
        ],
    )
    def test_problem_says_what_came_instead(self, value: bytes, name: str) -> None:
        """In JSON's words."""
        ((_, problem),) = violations(b'{"value":"","headers":[{"key":"k","value":' + value + b"}]}") or [("", name)]
        assert problem.endswith(name)


class TestRules:
    """What a field must say."""

    @pytest.mark.parametrize(
        ("body", "topic", "expected"),
        [
            (b'{"value":"","topic":"a b"}', None, ["topic"]),
            (b'{"value":"","topic":""}', None, ["topic"]),
            (b'{"value":"","partition":-1}', "t", ["partition"]),
            (b'{"value":"","partition":2147483648}', "t", ["partition"]),
            (b'{"value":"","timestamp":0}', "t", ["timestamp"]),
            (b'{"value":"","timestamp":9223372036854775808}', "t", ["timestamp"]),
            (b'{"value":"","headers":[{"key":"\\u0000","value":""}]}', "t", ["headers[0].key"]),
            (b'{"value":""}', None, ["topic"]),
            (b'{"value":"","topic":null}', None, ["topic"]),
            (b'{"value":"","topic":"u"}', "t", ["topic"]),
        ],
    )
    def test_broken_rule_is_named_by_its_place(self, body: bytes, topic: str | None, expected: list[str]) -> None:
        """The same rules as for every other caller."""
        assert expected == paths(body, topic)

    def test_too_many_headers_are_told_and_not_walked(self) -> None:
        """The rest of them is nobody's interest."""
        body = b'{"value":"","headers":[' + b",".join([b"1"] * 10_000) + b"]}"
        assert ["headers", *(f"headers[{index}]" for index in range(LIMITS.record_headers_max))] == paths(body)

    def test_all_kinds_are_told_at_once(self) -> None:
        """Message by message."""
        body = b'[{"value":1},{"value":"x"},{"valu":"x","topic":"u","partition":-1},7]'
        assert ["[0].value", "[2].partition", "[2].topic", "[2].valu", "[2].value", "[3]"] == sorted(paths(body))


class TestSizes:
    """Records over the limit."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'[{"value":5},{"value":"%s"}]', ["[0].value", "[1]"]),
            (b'[{"value":"%s"},{"value":5}]', ["[1].value", "[0]"]),
            (b'{"value":"%s","partition":-1}', ["partition", "body"]),
            (b'{"value":1,"key":"%s"}', ["value", "body"]),
            (b'{"value":"","headers":[1,{"key":"","value":"%s"}]}', ["headers[0]", "body"]),
            (b'{"value":"\\ud800%s"}', ["value", "body"]),
            (b'{"value":"%s"}', []),
        ],
    )
    def test_large_record_is_told_beside_what_else_is_wrong(self, body: bytes, expected: list[str]) -> None:
        """And left to the core where nothing else is."""
        assert expected == paths(body % (b"x" * (LIMITS.record_bytes_max + 1)))

    def test_size_is_told_in_the_words_of_the_core(self) -> None:
        """A caller need not know who noticed."""
        value = "ü" * LIMITS.record_bytes_max
        with pytest.raises(RequestFailed) as refused:
            RecordBatch.checked([Record(value, "t", "k")], LIMITS)
        body = f'[{{"value":"{value}","key":"k"}},{{}}]'.encode()
        assert refused.value.failure.violations[0].problem == dict(violations(body))["[0]"]

    def test_record_of_the_largest_size_is_not_told(self) -> None:
        """The limit itself is allowed."""
        assert ["partition"] == paths(b'{"value":"%s","partition":-1}' % (b"x" * LIMITS.record_bytes_max))

    def test_rules_come_first_where_not_all_can_be_told(self) -> None:
        """At most a hundred of both."""
        body = b"[%s%s]" % (b'{"value":"%s"},' % (b"x" * 10_001) * 50, b",".join([b"1"] * 70))
        assert ["[50]", "[119]", "[0]", "[29]"] == [paths(body)[index] for index in (0, 69, 70, 99)]


class TestNames:
    """Fields that nobody knows, or knows too well."""

    @pytest.mark.parametrize(
        ("name", "nearest"),
        [
            ("headrs", "headers"),
            ("Value", "value"),
            ("partion", "partition"),
            ("time_stamp", "timestamp"),
            ("keys", "key"),
        ],
    )
    def test_unknown_field_is_told_the_nearest(self, name: str, nearest: str) -> None:
        """A mistyped name is easily mended."""
        ((path, problem),) = violations(b'{"value":"","%s":1}' % name.encode())
        assert (name, True) == (path, f"'{nearest}'" in problem)

    def test_unknown_field_like_no_other_is_told_all(self) -> None:
        """The names there are."""
        ((_, problem),) = violations(b'{"value":"","zzzzzz":1}')
        assert all(name in problem for name in ("topic", "partition", "timestamp", "key", "value", "headers"))

    def test_long_and_unprintable_names_are_shortened(self) -> None:
        """An answer can always be written, and is never as long as the question."""
        ((path, _),) = violations(b'{"value":"","\\ud800%s":1}' % (b"x" * 10_000))
        assert len(path) < 100
        assert path.encode()

    def test_unknown_fields_can_be_ignored(self) -> None:
        """Others are not."""
        assert ["value"] == paths(b'{"value":1,"more":1,"headers":[{"key":"","value":"","more":1}]}', ignoring=True)

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"value":"a","value":"b"}', ["value"]),
            (b'{"value":"a","val\\u0075e":"a"}', ["value"]),
            (
                b'[{"value":"a"},{"value":"b","key":"","key":"","partition":1,"partition":1}]',
                ["[1].key", "[1].partition"],
            ),
            (b'{"value":"a","headers":[{"key":"a","value":"","key":"b"}]}', ["headers[0].key"]),
        ],
    )
    def test_repeated_name_is_told(self, body: bytes, expected: list[str]) -> None:
        """Of two values for one field, one would be lost in silence."""
        assert expected == paths(body)

    @pytest.mark.parametrize("body", [b'{"value":"x"}', b'{"value":"value","key":"key"}', b"[]", b'[{"value":null}]'])
    def test_right_body_has_nothing_wrong(self, body: bytes) -> None:
        """It may come here for a doubt."""
        assert explain(body, "t", LIMITS, unknown_fields_refused=True) is None


class TestBounds:
    """How long it takes, and how long the answer is."""

    @pytest.mark.parametrize(
        ("before", "after", "path"), [(b'{"x":"', b'"}', "body"), (b'[{"value":""},{"x":"', b'"}]', "[1]")]
    )
    def test_what_no_record_can_need_is_not_read_closely(self, before: bytes, after: bytes, path: str) -> None:
        """Reading it would hold up everybody else."""
        [(where, problem)] = violations(before + b"x" * JSON_BYTES_MAX + after)
        assert path == where
        assert f"{LIMITS.record_bytes_max} bytes (limits.record_bytes_max)" in problem

    def test_what_is_no_json_is_not_searched_for_ever(self) -> None:
        """Past a size nobody is told where it breaks."""
        assert "too long to say where" in malformed(b"[" + b"1," * JSON_BYTES_MAX)

    def test_at_most_a_hundred_are_told(self) -> None:
        """The message says that there are more than one."""
        failure = explain(b"[" + b",".join([b"1"] * 500) + b"]", "t", LIMITS, unknown_fields_refused=True)
        assert failure is not None
        assert (100, True) == (len(failure.violations), "99 more" in failure.message)

    def test_too_many_messages_are_counted_and_not_walked(self) -> None:
        """Whatever else is wrong with them."""
        body = b"[" + b",".join([b"1"] * 1001) + b"]"
        failure = explain(body, "t", LIMITS, unknown_fields_refused=True)
        assert failure is not None
        assert (Reason.REQUEST_TOO_LARGE, ()) == (failure.reason, failure.violations)
        assert {"1001", "1000"} <= set(failure.message.split())

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"[" + b",".join([b"{}"] * 150_000) + b"]", id="empty objects"),
            pytest.param(b"[" + b",".join([b"[]"] * 150_000) + b"]", id="empty arrays"),
            pytest.param(b'{"value":"","headers":[' + b"1," * 200_000 + b"1]}", id="one record of many headers"),
            pytest.param(b"[" * 500_000, id="depth"),
            pytest.param(b'{"value":"' + b"\\u00e9" * 80_000 + b'","x":1}', id="escapes"),
            pytest.param(b"9" * 500_000, id="digits"),
        ],
    )
    def test_half_a_megabyte_is_explained_in_no_time(self, body: bytes) -> None:
        """The work grows with the body and no faster."""
        limits = dataclasses.replace(LIMITS, request_records_max=10_000)
        started_at = time.process_time()
        assert explain(body, "t", limits, unknown_fields_refused=True) is not None
        assert time.process_time() - started_at < 1


class TestWithoutIndex:
    """Paths of a single message."""

    @pytest.mark.parametrize("root", ["body", "path"])
    def test_index_of_the_only_message_is_taken_off(self, root: str) -> None:
        """Its sender wrote no array; the message itself is called what it came in."""
        failure = Failure.of_violations(
            Reason.INVALID_RECORD,
            (Violation("[0].headers[0].key", "a"), Violation("[0]", "b"), Violation("path.topic", "c")),
        )
        expected = ["headers[0].key", root, "path.topic"]
        assert expected == [violation.path for violation in without_index(failure, root).violations]
        assert without_index(failure, root).message.startswith("headers[0].key: a")

    def test_failure_without_violations_is_left_alone(self) -> None:
        """There is nothing to take off."""
        failure = Failure(reason=Reason.OVERLOADED, message="full", retry_after_s=3)
        assert failure is without_index(failure, "body")
