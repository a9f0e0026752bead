"""Isolation: whatever became of the records, none is stored twice, and none out of order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Record, RecordMetadata
from twinpost_server.kafka.isolation import Suspects

LIMITS = Limits(record_bytes_max=1000, record_headers_max=10, request_records_max=1000, body_bytes_max=10_000)
OUTCOMES = st.one_of(
    st.just(RecordMetadata("", 0, 0, 1)),
    st.builds(
        Failure,
        reason=st.sampled_from(Reason),
        message=st.just("why"),
        delivered=st.sampled_from([Delivered.NO, Delivered.UNKNOWN]),
    ),
)
REFUSALS_OF_BATCHES = {Reason.RECORD_TOO_LARGE, Reason.INVALID_TIMESTAMP, Reason.BROKER_REFUSED}
REQUESTS = st.lists(st.tuples(st.sampled_from("abc"), OUTCOMES, st.booleans()), min_size=1, max_size=80)


@given(REQUESTS, st.frozensets(st.sampled_from("abc")))
def test_second_tries_keep_every_promise(
    request: list[tuple[str, Outcome, bool]], settled_topics: frozenset[str]
) -> None:
    """Only what is certain not to be in the log is sent again, and it never comes behind a later record."""
    records = [Record(b"%d" % index, topic) for index, (topic, _, _) in enumerate(request)]
    first = [outcome for _, outcome, _ in request]
    found = Suspects(RecordBatch.checked(records, LIMITS), first, settled_topics)
    tried: list[int] = []
    for batch, indexes in found.rounds():
        assert [records[index] for index in indexes] == list(batch.records)
        tried += indexes
        again = [RecordMetadata("", 0, 1, 1) if request[index][2] else first[index] for index in indexes]
        found.told(indexes, again)
    for index in tried:
        outcome = first[index]
        assert isinstance(outcome, Failure)
        assert Delivered.NO is outcome.delivered
        topic = records[index].topic
        assert topic not in settled_topics
        # None of the topic whose fate is open may still come, and none that stands behind it is stored already.
        for other, (other_topic, known, _) in enumerate(request):
            if other_topic == topic:
                assert known.delivered is Delivered.NO if isinstance(known, Failure) else other < index
    assert sorted(tried) == tried
    # Nobody's certainty is lost, and nobody's reason but for that of a record that may not be at fault.
    for index, (before, after) in enumerate(zip(first, found.outcomes, strict=True)):
        if isinstance(after, Failure):
            assert isinstance(before, Failure)
            assert before.delivered is after.delivered
            if before.reason is not after.reason:
                assert (Reason.BATCH_REFUSED, Delivered.NO) == (after.reason, after.delivered)
                assert before.reason in REFUSALS_OF_BATCHES
                assert index not in tried
        elif isinstance(before, Failure):
            assert Delivered.NO is before.delivered
