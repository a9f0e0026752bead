"""The checks that need no broker."""

from __future__ import annotations

import dataclasses

import pytest

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import VIOLATIONS_MAX, Delivered, Failure, Reason, RequestFailed
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Header, Payload, Record

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
LIMITS = Limits(record_bytes_max=100, record_headers_max=3, request_records_max=150, body_bytes_max=1000)


def refusal(*records: Record, limits: Limits = LIMITS) -> Failure:
    """Return why `records` are refused."""
    with pytest.raises(RequestFailed) as refused:
        RecordBatch.checked(records, limits)
    return refused.value.failure


def paths(failure: Failure) -> list[str]:
    """Return the places that the violations name."""
    return [violation.path for violation in failure.violations]


class TestGoodRequests:
    """What is let through."""

    def test_batch_sums_up_its_records(self) -> None:
        """Topics are distinct, sizes are bytes of key, value and headers, and a named partition is noticed."""
        records = [
            Record(b"12345", "b", key="é"),
            Record("€", "a", headers=[Header("h", b"12"), Header("é", None)]),
            Record(None, "b", partition=0),
        ]
        batch = RecordBatch.checked(records, LIMITS)
        expected = (records, frozenset({"a", "b"}), 5 + 2 + 3 + 3 + 2, True)
        assert expected == (list(batch.records), batch.topics, batch.size_bytes, batch.partitions_named)

    def test_headers_weigh_something_while_they_are_held(self) -> None:
        """A million empty headers have no bytes, but they do take memory."""
        bare, headed = (
            RecordBatch.checked([Record(None, "t", headers=headers)], LIMITS) for headers in ([], [Header("", "")] * 3)
        )
        assert bare.size_bytes == headed.size_bytes == 0
        assert 0 < bare.held_bytes < headed.held_bytes

    def test_part_of_a_batch_is_what_checking_its_records_gives(self) -> None:
        """A part is a batch like any other, in the order of its indexes."""
        records = [
            Record("zero", "a", partition=1),
            Record("one", "b", headers=[Header("h", b"v")]),
            Record("two", "c", key="é"),
        ]
        batch = RecordBatch.checked(records, LIMITS)
        assert RecordBatch.checked([records[1], records[2]], LIMITS) == batch.part([1, 2])
        assert RecordBatch.checked([records[0]], LIMITS) == batch.part([0])

    def test_batch_without_partitions_says_so(self) -> None:
        """The sink may then skip the look at partition counts."""
        assert not RecordBatch.checked([Record("x", "t"), Record("y", "u", timestamp=1)], LIMITS).partitions_named

    def test_batch_tells_whether_any_timestamp_is_named(self) -> None:
        """The sink may else skip the look at topics' bounds; parts know for themselves."""
        batch = RecordBatch.checked([Record("x", "t"), Record("y", "u", timestamp=1), Record("z", "t")], LIMITS)
        assert (True, False, True) == (
            batch.timestamps_named,
            batch.part([0, 2]).timestamps_named,
            batch.part([1, 2]).timestamps_named,
        )
        assert not RecordBatch.checked([Record("x", "t", partition=0)], LIMITS).timestamps_named

    @pytest.mark.parametrize(
        "record",
        [
            pytest.param(Record("", "t", key=""), id="empty value and key"),
            pytest.param(Record(None, "t"), id="tombstone"),
            pytest.param(Record("x", "t", partition=INT32_MAX), id="largest partition"),
            pytest.param(Record("x", "t", timestamp=1), id="smallest timestamp"),
            pytest.param(Record("x", "t", timestamp=INT64_MAX), id="largest timestamp"),
            pytest.param(Record("x", "t", headers=[]), id="empty list of headers"),
            pytest.param(Record("x", "t", headers=[Header("h", "v")] * 3), id="most headers, all alike"),
            pytest.param(Record("x", "t", headers=[Header("", None)]), id="empty header"),
            pytest.param(Record("x" * 100, "t"), id="largest record"),
            pytest.param(Record("é" * 50, "t"), id="largest record in bytes"),
            pytest.param(Record(b"x" * 50, "t", key=b"y" * 50), id="largest record with its key"),
            pytest.param(Record("\0", "t", key="\0", headers=[Header("h", "\0")]), id="NUL in values"),
            pytest.param(Record("x", "t" * 249), id="longest topic"),
        ],
    )
    def test_everything_up_to_the_bounds_is_let_through(self, record: Record) -> None:
        """Bounds are inclusive."""
        assert [record] == list(RecordBatch.checked([record], LIMITS).records)

    def test_as_many_records_as_the_limit_are_let_through(self) -> None:
        """The count's bound is inclusive too."""
        assert 150 == len(RecordBatch.checked([Record("x", "t")] * 150, LIMITS).records)


class TestBadRecords:
    """What is refused, and where the refusal points."""

    @pytest.mark.parametrize(
        ("record", "path"),
        [
            pytest.param(Record("x"), "[0].topic", id="no topic"),
            pytest.param(Record("x", "a b"), "[0].topic", id="bad topic"),
            pytest.param(Record("x", "t\n"), "[0].topic", id="topic with a newline at its end"),
            pytest.param(Record("x", ".."), "[0].topic", id="topic that is a parent directory"),
            pytest.param(Record("x", "t" * 250), "[0].topic", id="topic too long"),
            pytest.param(Record("x", "t", partition=-1), "[0].partition", id="negative partition"),
            pytest.param(Record("x", "t", partition=INT32_MAX + 1), "[0].partition", id="partition over 32 bits"),
            pytest.param(Record("x", "t", partition=10**400), "[0].partition", id="partition of 401 digits"),
            pytest.param(Record("x", "t", timestamp=0), "[0].timestamp", id="timestamp zero means now to librdkafka"),
            pytest.param(Record("x", "t", timestamp=-1), "[0].timestamp", id="negative timestamp"),
            pytest.param(Record("x", "t", timestamp=INT64_MAX + 1), "[0].timestamp", id="timestamp over 64 bits"),
            pytest.param(Record("x", "t", headers=[Header("h", "")] * 4), "[0].headers", id="too many headers"),
            pytest.param(
                Record("x", "t", headers=[Header("h", ""), Header("a\0b", "")]),
                "[0].headers[1].key",
                id="NUL in a header's key",
            ),
        ],
    )
    def test_broken_rule_is_refused_by_its_place(self, record: Record, path: str) -> None:
        """Each rule alone refuses the request as INVALID_RECORD."""
        failure = refusal(record)
        assert (Reason.INVALID_RECORD, Delivered.NO, [path]) == (failure.reason, failure.delivered, paths(failure))
        assert failure.message.startswith(path)

    def test_every_broken_rule_is_named_in_request_order(self) -> None:
        """Nobody has to mend a request one refusal at a time."""
        failure = refusal(
            Record("x", "t"),
            Record("x", "!", partition=-1, timestamp=0, headers=[Header("\0", "")]),
            Record("x" * 101, "t"),
            Record("x", "t", partition=-1),
        )
        expected = ["[1].topic", "[1].partition", "[1].timestamp", "[1].headers[0].key", "[3].partition", "[2]"]
        assert (Reason.INVALID_RECORD, expected) == (failure.reason, paths(failure))

    def test_violations_are_capped(self) -> None:
        """A huge bad request gets an answer of bounded size."""
        failure = refusal(*[Record("x", "!", partition=-1)] * 150)
        assert VIOLATIONS_MAX == len(failure.violations)

    def test_long_topic_is_not_repeated_in_full(self) -> None:
        """What the caller sent does not come back whole."""
        assert len(refusal(Record("x", "!" * 10_000)).message) < 500

    def test_huge_integers_are_not_repeated_in_full(self) -> None:
        """A hundred integers of thousands of digits make no huge answer."""
        failure = refusal(*[Record("x", "t", partition=10**4000, timestamp=10**4000)] * 50)
        assert sum(len(violation.problem) for violation in failure.violations) < 100 * 500

    def test_topic_that_cannot_be_printed_is_escaped(self) -> None:
        """Control characters do not reach a terminal by way of our message."""
        assert "\x1b" not in refusal(Record("x", "\x1b[2J")).message


class TestSize:
    """Limits of size and count."""

    @pytest.mark.parametrize(
        ("value", "key", "headers", "size"),
        [
            pytest.param("x" * 101, None, None, 101, id="value"),
            pytest.param(b"x" * 101, None, None, 101, id="value of bytes"),
            pytest.param("é" * 51, None, None, 102, id="value counted in bytes"),
            pytest.param(None, "x" * 101, None, 101, id="key"),
            pytest.param(None, "€" * 34, None, 102, id="key counted in bytes"),
            pytest.param(b"", b"x" * 101, None, 101, id="key of bytes"),
            pytest.param("x", "y", [Header("é" * 40, b"v" * 20)], 102, id="headers"),
            pytest.param(b"x" * 60, b"y" * 60, None, 120, id="together"),
        ],
    )
    def test_record_over_the_limit_names_limit_and_size(
        self, value: Payload, key: Payload, headers: list[Header] | None, size: int
    ) -> None:
        """A record too large is RECORD_TOO_LARGE, and the message says by how much."""
        failure = refusal(Record("x", "t"), Record(value, "t", key=key, headers=headers))
        assert (Reason.RECORD_TOO_LARGE, ["[1]"]) == (failure.reason, paths(failure))
        assert {str(size), "100"} <= set(failure.message.replace(":", " ").split())

    def test_broken_rule_outweighs_size(self) -> None:
        """A request that breaks a rule *and* is too large is invalid, not merely large."""
        failure = refusal(Record("x" * 200, "!"))
        assert (Reason.INVALID_RECORD, ["[0].topic", "[0]"]) == (failure.reason, paths(failure))

    def test_too_many_records_name_limit_and_count(self) -> None:
        """The count is looked at before anything else."""
        failure = refusal(*[Record("x", "!")] * 151)
        assert (Reason.REQUEST_TOO_LARGE, []) == (failure.reason, paths(failure))
        assert "151" in failure.message
        assert "150" in failure.message

    def test_no_headers_can_be_allowed(self) -> None:
        """A limit of zero headers refuses the first one."""
        limits = dataclasses.replace(LIMITS, record_headers_max=0)
        assert ["[0].headers"] == paths(refusal(Record("x", "t", headers=[Header("h", "v")]), limits=limits))
        assert 1 == len(RecordBatch.checked([Record("x", "t", headers=[])], limits).records)
