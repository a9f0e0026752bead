"""The rules of a record's fields, one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twinpost_server.core.rules import (
    header_key_problem,
    headers_problem,
    partition_problem,
    timestamp_problem,
    topic_problem,
)


@pytest.mark.parametrize(
    ("problem", "good", "bad"),
    [
        pytest.param(topic_problem, ["t", "a.b_c-9", "t" * 249], ["", "..", "a b", "t" * 250, "\ud800"], id="topic"),
        pytest.param(partition_problem, [0, 2**31 - 1], [-1, 2**31, 10**5000, -(10**5000)], id="partition"),
        pytest.param(timestamp_problem, [1, 2**63 - 1], [0, -1, 2**63, 10**5000], id="timestamp"),
        pytest.param(header_key_problem, ["", "h", "é\n"], ["\0", "a\0b"], id="header key"),
    ],
)
def test_rule_is_kept_or_broken(problem: Callable[[object], str | None], good: list[object], bad: list[object]) -> None:
    """Every problem is a short text that any answer can carry, whatever the value was."""
    assert [None] * len(good) == [problem(value) for value in good]
    for value in bad:
        told = problem(value)
        assert told is not None
        assert len(told.encode()) < 400
        assert told.isprintable()


@pytest.mark.parametrize(("headers", "broken"), [(0, False), (10, False), (11, True)])
def test_headers_are_counted(headers: int, *, broken: bool) -> None:
    """Up to the limit, which the problem names."""
    told = headers_problem(headers, 10)
    assert broken is (told is not None)
    assert told is None or {"11", "10"} <= set(told.split())


def test_small_numbers_are_shown_as_they_are() -> None:
    """A caller recognises what it sent."""
    assert str(partition_problem(-7)).startswith("-7 is not a partition")
