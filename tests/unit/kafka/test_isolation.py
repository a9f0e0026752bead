"""Which refused records may be tried again."""

from __future__ import annotations

import dataclasses

import pytest

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import SEVERITY, Delivered, Failure, Outcome, Reason
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Header, Record, RecordMetadata
from twinpost_server.kafka.isolation import Suspects

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)

STORED = RecordMetadata("", 0, 0, 1)
TOO_LARGE = Failure(reason=Reason.RECORD_TOO_LARGE, message="too large")
BAD_TIME = Failure(reason=Reason.INVALID_TIMESTAMP, message="bad time")
NEIGHBOUR = Failure(reason=Reason.BATCH_REFUSED, message="a neighbour was refused")
RULE_BROKEN = Failure(reason=Reason.BROKER_REFUSED, message="a rule is broken")
MISSING = Failure(reason=Reason.TOPIC_NOT_FOUND, message="no such topic")
OPEN = Failure(reason=Reason.DEADLINE_EXCEEDED, message="who knows", delivered=Delivered.UNKNOWN)
OPEN_REFUSAL = Failure(reason=Reason.BROKER_REFUSED, message="who knows", delivered=Delivered.UNKNOWN)


def suspects(topics: str, outcomes: list[Outcome], *, settled_topics: frozenset[str] = frozenset()) -> Suspects:
    """Return the suspects among records for `topics`, one letter each."""
    records = [Record(b"%d" % index, topic) for index, topic in enumerate(topics)]
    return Suspects(RecordBatch.checked(records, LIMITS), outcomes, settled_topics)


def tried(found: Suspects, outcome: Outcome = STORED) -> list[list[int]]:
    """Try the suspects again, each with this outcome, and return the rounds."""
    rounds = []
    for batch, indexes in found.rounds():
        assert len(indexes) == len(batch.records)
        rounds.append(list(indexes))
        found.told(indexes, [outcome] * len(indexes))
    return rounds


@pytest.mark.parametrize(
    ("topics", "outcomes", "expected"),
    [
        pytest.param("a", [TOO_LARGE], [0], id="too large"),
        pytest.param("a", [BAD_TIME], [0], id="bad timestamp"),
        pytest.param("a", [NEIGHBOUR], [0], id="refused for a neighbour"),
        pytest.param("aaa", [NEIGHBOUR] * 3, [0, 1, 2], id="all, in order"),
        pytest.param("aaa", [STORED, NEIGHBOUR, NEIGHBOUR], [1, 2], id="behind a stored one"),
        pytest.param("aba", [NEIGHBOUR, STORED, NEIGHBOUR], [0, 2], id="another topic's success does not matter"),
        pytest.param("ab", [NEIGHBOUR, OPEN], [0], id="another topic's open fate does not matter"),
        pytest.param("aaa", [NEIGHBOUR, MISSING, NEIGHBOUR], [0, 2], id="a certain failure between does not matter"),
    ],
)
def test_refused_record_is_tried_again(topics: str, outcomes: list[Outcome], expected: list[int]) -> None:
    """What is certain not to be in the log, and would not be out of order, gets its second chance."""
    found = suspects(topics, outcomes)
    assert found
    assert [expected] == tried(found)


@pytest.mark.parametrize(
    ("topics", "outcomes"),
    [
        pytest.param("a", [STORED], id="stored"),
        pytest.param("a", [MISSING], id="refused for itself"),
        pytest.param("a", [OPEN], id="may be in the log"),
        pytest.param("a", [OPEN_REFUSAL], id="refused, but may be in the log"),
        pytest.param("aa", [NEIGHBOUR, STORED], id="a later one of the topic is stored"),
        pytest.param("aaa", [NEIGHBOUR, NEIGHBOUR, STORED], id="the same for all before it"),
        pytest.param("aa", [NEIGHBOUR, OPEN], id="a later one of the topic may be in the log"),
        pytest.param("aa", [OPEN, NEIGHBOUR], id="an earlier one of the topic may still arrive"),
        pytest.param("aa", [OPEN_REFUSAL, NEIGHBOUR], id="the same for a refusal"),
    ],
)
def test_record_is_not_tried_again(topics: str, outcomes: list[Outcome]) -> None:
    """Nothing is stored twice, and nothing out of order."""
    found = suspects(topics, outcomes)
    assert not found
    assert [] == tried(found)


def test_later_steps_of_a_stream_settle_their_topics() -> None:
    """A record does not come after those of a later request of the same stream."""
    assert [[1]] == tried(suspects("ab", [NEIGHBOUR, NEIGHBOUR], settled_topics=frozenset("a")))


@pytest.mark.parametrize("refusal", [TOO_LARGE, BAD_TIME, RULE_BROKEN, NEIGHBOUR])
def test_record_out_of_turn_is_not_called_guilty(refusal: Failure) -> None:
    """What may not be tried again is not in the log, and its sender may try again: it may be a neighbour's fault."""
    outcome = suspects("aa", [refusal, STORED]).outcomes[0]
    assert isinstance(outcome, Failure)
    assert (Reason.BATCH_REFUSED, Delivered.NO, True) == (outcome.reason, outcome.delivered, outcome.retriable)
    assert "was not tried alone, since later ones of its request or stream might" in outcome.message


def test_record_larger_than_a_batch_is_guilty_itself() -> None:
    """Nothing was beside it, and it would be sent again and again."""
    limits = dataclasses.replace(LIMITS, record_bytes_max=2**20)
    batch = RecordBatch.checked([Record(b"x" * 1_000_000, "a"), Record(b"v", "a")], limits)
    assert TOO_LARGE is Suspects(batch, [TOO_LARGE, STORED]).outcomes[0]


def test_record_that_was_never_handed_over_is_at_fault_itself() -> None:
    """It is neither tried again nor is its sender told to, whatever became of the others."""
    records = [Record(b"%d" % index, "a") for index in range(3)]
    batch = RecordBatch.checked(records, LIMITS)
    for others in (NEIGHBOUR, STORED):
        found = Suspects(batch, [others, TOO_LARGE, others], certain_indexes=frozenset({1}))
        assert TOO_LARGE is found.outcomes[1]
        assert ([[0, 2]] if others is NEIGHBOUR else []) == tried(found)


def test_record_that_there_is_no_time_for_is_not_called_guilty() -> None:
    """Those that were tried keep what they were told; the round that there is no time for was not."""
    found = suspects("a" * 100, [BAD_TIME] * 100)
    rounds = found.rounds()
    _, indexes = next(rounds)
    found.told(indexes, [STORED] * len(indexes))
    next(rounds)
    found.leave("there was no time")
    assert [] == list(rounds)
    assert [STORED] * 32 == found.outcomes[:32]
    for outcome in found.outcomes[32:]:
        assert isinstance(outcome, Failure)
        assert (Reason.BATCH_REFUSED, Delivered.NO) == (outcome.reason, outcome.delivered)
        assert "there was no time" in outcome.message


def test_batch_to_try_again_holds_the_suspects_alone() -> None:
    """In request order, whole, and counted like any other batch."""
    records = [
        Record("zero", "a", key="k", partition=1, timestamp=5, headers=[Header("h", b"v")]),
        Record("one", "b"),
        Record("two", "a"),
    ]
    found = Suspects(RecordBatch.checked(records, LIMITS), [TOO_LARGE, STORED, TOO_LARGE])
    ((batch, indexes),) = found.rounds()
    assert ([0, 2], RecordBatch.checked([records[0], records[2]], LIMITS)) == (list(indexes), batch)


def test_second_outcomes_come_to_their_places() -> None:
    """The request is told as a whole: first outcomes where nothing was tried again, second ones elsewhere."""
    found = suspects("abcb", [TOO_LARGE, STORED, OPEN, TOO_LARGE])
    again = RecordMetadata("a", 0, 7, 1)
    for _, indexes in found.rounds():
        found.told(indexes, [again, BAD_TIME])
    assert [again, STORED, OPEN, BAD_TIME] == found.outcomes


def test_many_suspects_are_tried_a_few_at_a_time() -> None:
    """In request order, all of them, so that no caller holds the lone producer for long."""
    rounds = tried(suspects("a" * 200, [NEIGHBOUR] * 200))
    assert [*range(200)] == [index for indexes in rounds for index in indexes]
    assert max(map(len, rounds)) <= 32


def test_guilty_request_is_not_tried_to_its_end() -> None:
    """Once so many were refused alone the request is at fault; what was not tried is certainly not in the log."""
    found = suspects("a" * 200, [BAD_TIME] * 200)
    rounds = tried(found, BAD_TIME)
    assert 1 == len(rounds)
    assert [BAD_TIME] * len(rounds[0]) == found.outcomes[: len(rounds[0])]
    for outcome in found.outcomes[len(rounds[0]) :]:
        assert isinstance(outcome, Failure)
        assert (Reason.BATCH_REFUSED, Delivered.NO) == (outcome.reason, outcome.delivered)
        assert "32 others of its request were refused" in outcome.message


def test_only_refusals_of_records_are_guilt() -> None:
    """What failed for want of something else ends no search."""
    found = suspects("a" * 200, [NEIGHBOUR] * 200)
    assert 7 == len(tried(found, MISSING))
    assert [MISSING] * 200 == found.outcomes


def test_request_is_told_by_its_guilty_records() -> None:
    """Those that were not tried may be sent again; the request as a whole would only fail again."""
    assert SEVERITY[BAD_TIME.reason] < SEVERITY[Reason.BATCH_REFUSED]
    assert SEVERITY[TOO_LARGE.reason] < SEVERITY[Reason.BATCH_REFUSED]
    assert SEVERITY[Reason.BROKER_REFUSED] < SEVERITY[Reason.BATCH_REFUSED]


def test_nothing_is_tried_behind_a_record_whose_fate_is_open() -> None:
    """It may be appended yet. What was not tried is certainly not in the log, and not called guilty; others go on."""
    found = suspects("ab" * 100, [NEIGHBOUR] * 200)
    again: list[int] = []
    for _, indexes in found.rounds():
        again += indexes
        found.told(indexes, [OPEN if index == 4 else STORED for index in indexes])
    assert [*range(1, 200, 2)] == [index for index in again if index % 2]
    assert [*range(0, 32, 2)] == [index for index in again if not index % 2]
    for outcome in found.outcomes[32::2]:
        assert isinstance(outcome, Failure)
        assert (NEIGHBOUR.reason, Delivered.NO) == (outcome.reason, outcome.delivered)
        assert "was not tried alone" in outcome.message


def test_few_guilty_records_do_not_end_the_search() -> None:
    """Their innocent neighbours are stored, wherever they stand."""
    found = suspects("a" * 100, [NEIGHBOUR] * 100)
    for _, indexes in found.rounds():
        found.told(indexes, [BAD_TIME if index in {0, 50, 99} else STORED for index in indexes])
    assert {0, 50, 99} == {index for index, outcome in enumerate(found.outcomes) if outcome is BAD_TIME}
    assert 97 == found.outcomes.count(STORED)


def test_outcomes_of_the_delivery_are_left_alone() -> None:
    """Reports may still be coming in there."""
    outcomes: list[Outcome] = [TOO_LARGE, STORED]
    suspects("aa", outcomes)
    assert [TOO_LARGE, STORED] == outcomes
