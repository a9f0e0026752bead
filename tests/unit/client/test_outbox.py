"""The outbox, one rule at a time; `tests/property` plays it as a whole."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Sequence

import pytest

from tests.client.model_gateway import Fate, ModelGateway, refusal
from twinpost.client import (
    Delivered,
    PublisherOptions,
    Record,
    RecordError,
    RecordMetadata,
    RecordOvertaken,
    RetryPolicy,
)
from twinpost.client.batch import Batch
from twinpost.client.lane import TopicLanes
from twinpost.client.outbox import Outbox
from twinpost.v1 import producer_service_pb2, record_pb2

BROKEN = RecordError("GATEWAY_UNAVAILABLE", "broken", retriable=True, delivered=Delivered.UNKNOWN)
DRAINED = RecordError("SHUTTING_DOWN", "stopping", retriable=True, retry_delay_s=2.0)


class Story:
    """An outbox with an open stream, and a gateway.

    Attributes:
        told: what became of each record, by its value.
        now: the time.
    """

    def __init__(self, **options: object) -> None:
        """Open the stream."""
        chosen = {"linger_s": 1.0, "retry": RetryPolicy(delay_s_min=0.5, delay_s_max=4.0), **options}
        self.outbox: Outbox[bytes] = Outbox(PublisherOptions(**chosen), lambda: 1.0)  # type: ignore[arg-type]
        self.gateway = ModelGateway()
        self.told: dict[bytes, RecordMetadata | RecordError] = {}
        self.now = 0.0
        self.open()

    def open(self) -> None:
        """Open a stream, and have its greeting answered."""
        self.outbox.opening(self.now)
        greeting = self.outbox.next_step(self.now)
        assert greeting is not None
        self.gateway.take(greeting)
        self.answer()

    def publish(self, *values: bytes, key: bytes | None = b"k", topic: str = "t", partition: int | None = None) -> None:
        """Publish a record for each of `values`."""
        for value in values:
            assert self.outbox.add(Record(topic, value, key=key, partition=partition), value, self.now)

    def sent(self) -> list[bytes] | None:
        """Return the values of the next step, which is sent, or `None` where there is none."""
        step = self.outbox.next_step(self.now)
        if step is None:
            return None
        self.gateway.take(step)
        return [record.value for record in self.gateway.steps[-1].records]

    def answer(self, *fates: Fate) -> None:
        """Answer the oldest step, record by record; those beyond `fates` are stored."""
        left = iter(fates)
        self.note(self.outbox.answered(self.gateway.answer(lambda: next(left, Fate.STORED)), self.now))

    def refuse(self, result: record_pb2.RecordResult, count: int | None = None) -> None:
        """Answer the oldest step with the same refusal for each record, or for `count`."""
        step = self.gateway.steps.popleft()
        results = [result] * (len(step.records) if count is None else count)
        answer = producer_service_pb2.ProduceStreamResponse(sequence=step.sequence, results=results)
        self.note(self.outbox.answered(answer.SerializeToString(), self.now))

    def end(self, error: RecordError | None) -> None:
        """End the stream."""
        self.gateway.steps.clear()
        self.note(self.outbox.ended(error, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.note(self.outbox.tick(self.now))

    def note(self, settled: Sequence[tuple[bytes, RecordMetadata | RecordError]]) -> None:
        """Note what is told."""
        self.told |= dict(settled)

    def failures(self) -> dict[bytes, tuple[str, str]]:
        """Return the reason, and what is known, of each record that was not acknowledged."""
        return {
            value: (outcome.reason, str(outcome.delivered))
            for value, outcome in self.told.items()
            if isinstance(outcome, RecordError)
        }


class TestGathering:
    """What travels together, and when."""

    def test_record_waits_for_others_as_long_as_it_may_linger(self) -> None:
        """Not a moment longer."""
        story = Story()
        story.publish(b"1")
        story.wait(0.9)
        story.publish(b"2")
        assert story.sent() is None
        assert 1.0 == story.outbox.send_at
        story.wait(0.1)
        assert [b"1", b"2"] == story.sent()

    def test_full_batch_does_not_linger(self) -> None:
        """By records or by bytes."""
        story = Story(batch_records_max=2, batch_bytes_max=1024, buffer_bytes_max=65536)
        story.publish(b"1", b"2", b"3")
        assert [b"1", b"2"] == story.sent()
        story.answer()
        assert story.sent() is None
        story.publish(b"x" * 950)
        assert [b"3"] == story.sent()

    def test_key_waits_for_its_answer(self) -> None:
        """Nothing of a key is on the wire twice, however much there is."""
        story = Story(batch_records_max=2)
        story.publish(b"1", b"2", b"3", b"4", b"5")
        assert [b"1", b"2"] == story.sent()
        story.wait(5.0)
        assert story.sent() is None
        assert math.isinf(story.outbox.send_at)
        story.answer()
        assert [b"3", b"4"] == story.sent()

    def test_records_without_a_key_do_not_wait(self) -> None:
        """They have no order to keep; full batches go out one after the other, eight at a time, in their order."""
        story = Story(batch_records_max=1)
        story.publish(*(b"%d" % number for number in range(10)), key=None)
        assert [[b"%d" % number] for number in range(8)] == [story.sent() for _ in range(8)]
        assert story.sent() is None
        story.answer()
        assert [b"8"] == story.sent()

    def test_small_batch_without_a_key_waits_while_others_are_on_the_wire(self) -> None:
        """Under load, records gather into larger steps."""
        story = Story(batch_records_max=2)
        story.publish(b"1", b"2", b"3", key=None)
        assert [b"1", b"2"] == story.sent()
        story.wait(5.0)
        assert story.sent() is None
        story.answer()
        assert [b"3"] == story.sent()

    def test_keys_travel_together(self) -> None:
        """One step for all that is ready, of one topic."""
        story = Story(batch_records_max=100)
        for number in range(40):
            story.publish(b"%d" % number, key=b"%d" % number)
        story.publish(b"no key", key=None)
        story.publish(b"partition", partition=7)
        story.publish(b"other", topic="u")
        story.wait(1.0)
        first, second = story.sent(), story.sent()
        assert first is not None
        assert 42 == len(first)
        assert [b"other"] == second
        assert story.sent() is None

    def test_steps_on_the_wire_are_bounded(self) -> None:
        """Over all topics; the gateway reads only so far ahead."""
        story = Story(batch_records_max=1, linger_s=0.0)
        for number in range(140):
            story.publish(b"%d" % number, topic=f"t{number}")
        assert 128 == sum(story.sent() is not None for _ in range(140))
        assert math.isinf(story.outbox.send_at)
        story.answer()
        assert story.sent() is not None

    def test_sealed_batches_do_not_linger(self) -> None:
        """A flush sends what is held, and knows when that is settled, whatever comes after."""
        story = Story()
        story.publish(b"1")
        mark = story.outbox.seal()
        story.publish(b"2")
        assert [b"1"] == story.sent()
        assert not story.outbox.is_flushed(mark)
        story.answer()
        assert story.outbox.is_flushed(mark)
        assert not story.outbox.is_empty
        assert story.sent() is None


class TestRefusals:
    """What is tried again, and in which order."""

    def test_refused_records_go_before_those_that_came_later(self) -> None:
        """After a pause that grows."""
        story = Story(batch_records_max=2)
        story.publish(b"1", b"2", b"3", b"4")
        story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.REFUSED_NOW)
        assert story.sent() is None
        assert 0.5 == story.outbox.send_at
        story.wait(0.5)
        assert [b"1", b"2"] == story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.REFUSED_NOW)
        story.wait(0.9)
        assert story.sent() is None
        assert 1.5 == story.outbox.send_at
        story.wait(0.1)
        assert [b"1", b"2"] == story.sent()
        story.answer()
        assert [b"3", b"4"] == story.sent()
        story.answer()
        assert {} == story.failures()

    def test_refusal_of_one_topic_holds_up_no_other(self) -> None:
        """Nor another lane of the same topic."""
        story = Story(linger_s=0.0)
        story.publish(b"1", topic="short of replicas")
        story.sent()
        story.answer(Fate.REFUSED_NOW)
        story.publish(b"2", topic="healthy")
        story.publish(b"3", topic="short of replicas", key=None)
        assert [b"2"] == story.sent()
        assert [b"3"] == story.sent()
        assert story.sent() is None

    def test_record_is_not_tried_again_behind_a_later_one_of_its_key(self) -> None:
        """Both were in one step, and the later one is stored: the order is worth more, and the error says so."""
        story = Story()
        story.publish(b"1", b"2", b"3")
        story.wait(1.0)
        story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.STORED, Fate.REFUSED_NOW)
        assert {b"1": ("NOT_ENOUGH_REPLICAS", "no")} == story.failures()
        assert isinstance(story.told[b"1"], RecordOvertaken)
        story.wait(1.0)
        assert [b"3"] == story.sent()

    def test_records_without_a_key_are_tried_again_whatever_is_stored(self) -> None:
        """They may go to any partition anyway."""
        story = Story()
        story.publish(b"1", b"2", key=None)
        story.wait(1.0)
        story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.STORED)
        story.wait(1.0)
        assert [b"1"] == story.sent()

    def test_partition_keeps_its_order_whatever_the_keys(self) -> None:
        """Where records name it."""
        story = Story()
        story.publish(b"1", key=b"a", partition=5)
        story.publish(b"2", key=b"b", partition=5)
        story.wait(1.0)
        story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.STORED)
        assert {b"1": ("NOT_ENOUGH_REPLICAS", "no")} == story.failures()

    def test_unknown_record_holds_back_those_before_it(self) -> None:
        """It may be in the log: what was refused before it would come too late."""
        story = Story()
        story.publish(b"1", b"2")
        story.wait(1.0)
        story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.LOST_UNTOLD)
        assert {b"1": ("NOT_ENOUGH_REPLICAS", "no"), b"2": ("DEADLINE_EXCEEDED", "unknown")} == story.failures()

    def test_unknown_record_is_sent_again_where_that_is_asked_for(self) -> None:
        """With those behind it that were refused; a later refusal does not make it certain."""
        story = Story(resend_unknown=True)
        story.publish(b"1", b"2")
        story.wait(1.0)
        story.sent()
        story.answer(Fate.STORED_UNTOLD, Fate.REFUSED_NOW)
        story.wait(1.0)
        assert [b"1", b"2"] == story.sent()
        story.answer(Fate.REFUSED, Fate.REFUSED)
        assert {b"1": ("BROKER_REFUSED", "unknown"), b"2": ("BROKER_REFUSED", "no")} == story.failures()

    def test_record_in_doubt_counts_as_stored_for_those_before_it(self) -> None:
        """Also where its last try was refused for good."""
        story = Story(resend_unknown=True)
        story.publish(b"1", b"2")
        story.wait(1.0)
        story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.STORED_UNTOLD)
        story.wait(1.0)
        assert [b"1", b"2"] == story.sent()
        story.answer(Fate.REFUSED_NOW, Fate.REFUSED)
        assert {b"1": ("NOT_ENOUGH_REPLICAS", "no"), b"2": ("BROKER_REFUSED", "unknown")} == story.failures()

    @pytest.mark.parametrize("reason", ["INVALID_RECORD", "INVALID_TIMESTAMP"])
    def test_step_refused_for_one_record_is_taken_apart(self, reason: str) -> None:
        """First by lane, then in halves, each part alone, in order."""
        story = Story()
        story.publish(b"1", b"2", b"3", b"4")
        story.publish(b"other lane", key=None)
        story.wait(1.0)
        assert 5 == len(story.sent() or ())
        bad = refusal(reason, retriable=False)
        story.refuse(bad)
        parts = [story.sent(), story.sent()]
        assert [[b"1", b"2", b"3", b"4"], [b"other lane"]] == sorted(parts, key=str)
        if parts[0] == [b"other lane"]:
            story.answer()
            story.refuse(bad)
        else:
            story.refuse(bad)
            story.answer()
        assert [b"1", b"2"] == story.sent()
        assert story.sent() is None
        story.answer()
        assert [b"3", b"4"] == story.sent()
        story.refuse(bad)
        assert [b"3"] == story.sent()
        story.refuse(bad)
        assert [b"4"] == story.sent()
        story.answer()
        assert {b"3": (reason, "no")} == story.failures()

    def test_step_over_the_gateways_limit_is_taken_apart(self) -> None:
        """Its refusal tells of fewer results than records."""
        story = Story()
        story.publish(b"1", b"2", b"3", b"4")
        story.wait(1.0)
        story.sent()
        story.refuse(refusal("REQUEST_TOO_LARGE", retriable=False), count=2)
        assert [b"1", b"2"] == story.sent()
        story.answer()
        assert [b"3", b"4"] == story.sent()
        story.answer()
        assert {} == story.failures()


class TestStreams:
    """What the end of a stream does to records."""

    def test_nothing_is_sent_before_the_greeting_is_answered(self) -> None:
        """So whatever ends a stream before that leaves no record in doubt."""
        story = Story()
        story.end(None)
        story.publish(b"1", b"2")
        story.outbox.seal()
        assert -math.inf < story.outbox.open_at <= story.now
        story.outbox.opening(story.now)
        assert [] == story.sent()
        assert story.sent() is None
        story.end(BROKEN)
        assert {} == story.failures()
        assert story.now + 0.5 == story.outbox.open_at

    def test_pause_before_the_next_stream_grows_until_one_answers(self) -> None:
        """A greeting alone does not count: a gateway may fail again and again on what comes after it."""
        story = Story(linger_s=0.0)
        story.publish(b"1", b"2")
        for pause in (0.5, 1.0, 2.0, 4.0, 4.0):
            story.end(BROKEN)
            assert pytest.approx(pause) == story.outbox.open_at - story.now
            story.wait(pause)
            story.open()
        story.sent()
        story.answer()
        story.publish(b"3")
        story.end(BROKEN)
        assert pytest.approx(0.5) == story.outbox.open_at - story.now

    def test_drained_stream_gives_everything_back_in_order(self) -> None:
        """After the pause that the gateway asks for."""
        story = Story(batch_records_max=1)
        story.publish(b"1", b"2", b"3", key=None)
        assert [[b"1"], [b"2"], [b"3"]] == [story.sent() for _ in range(3)]
        story.answer()
        story.end(DRAINED)
        assert pytest.approx(2.0) == story.outbox.open_at - story.now
        story.wait(2.0)
        story.open()
        assert [[b"2"], [b"3"], None] == [story.sent() for _ in range(3)]
        assert [b"1"] == list(story.told)

    def test_end_without_an_error_leaves_what_was_sent_unknown(self) -> None:
        """A gateway that keeps the contract answers first."""
        story = Story(linger_s=0.0)
        story.publish(b"1")
        story.sent()
        story.end(None)
        assert {b"1": ("GATEWAY_UNAVAILABLE", "unknown")} == story.failures()

    def test_fault_of_the_gateway_is_not_sent_again(self) -> None:
        """It is not retriable, whatever was asked for; what was not sent goes on."""
        story = Story(batch_records_max=1, resend_unknown=True)
        story.publish(b"1", b"2")
        story.sent()
        story.end(RecordError("INTERNAL", "fault", delivered=Delivered.UNKNOWN))
        assert {b"1": ("INTERNAL", "unknown")} == story.failures()
        story.wait(1.0)
        story.open()
        assert [b"2"] == story.sent()

    def test_answer_out_of_turn_is_no_answer(self) -> None:
        """The stream must be broken off; until then, nothing is settled."""
        story = Story(linger_s=0.0)
        story.publish(b"1")
        story.sent()
        wrong = producer_service_pb2.ProduceStreamResponse(sequence=999).SerializeToString()
        with pytest.raises(RecordError, match="out of turn"):
            story.outbox.answered(wrong, story.now)
        with pytest.raises(RecordError, match=r"not a twinpost\.v1\.ProduceStreamResponse"):
            story.outbox.answered(b"\xff", story.now)
        assert {} == story.told

    def test_answer_that_greets_with_records_is_no_answer(self) -> None:
        """The greeting had none."""
        story = Story()
        story.end(None)
        story.outbox.opening(story.now)
        assert [] == story.sent()
        with pytest.raises(RecordError, match="out of turn"):
            story.refuse(refusal(), count=1)

    @pytest.mark.parametrize("leave", [False, True])
    def test_stream_that_does_not_begin_or_end_is_stalled(self, *, leave: bool) -> None:
        """After ten seconds; one that is open and quiet is not."""
        story = Story()
        story.wait(1000.0)
        assert not story.outbox.is_stalled(story.now)
        assert math.isinf(story.outbox.tick_at)
        if leave:
            story.outbox.leaving(story.now)
        else:
            story.end(None)
            story.outbox.opening(story.now)
        assert story.now + 10 == story.outbox.tick_at
        assert not story.outbox.is_stalled(story.now + 9)
        assert story.outbox.is_stalled(story.now + 10)

    def test_left_stream_is_sent_nothing(self) -> None:
        """A record that comes meanwhile waits for the next one."""
        story = Story(linger_s=0.0)
        story.outbox.leaving(story.now)
        story.publish(b"1")
        assert story.sent() is None
        assert math.isinf(story.outbox.send_at)
        story.end(None)
        assert story.now == story.outbox.open_at


class TestTime:
    """What happens when a record's time is over."""

    def test_record_that_was_not_sent_is_no(self) -> None:
        """Each at its own time; those that came later stay."""
        story = Story(delivery_timeout_s=10.0, linger_s=9.0)
        story.end(None)
        story.publish(b"1")
        story.wait(4.0)
        story.publish(b"2")
        assert 10.0 == story.outbox.tick_at
        story.wait(6.0)
        assert {b"1": ("DEADLINE_EXCEEDED", "no")} == story.failures()
        story.open()
        assert [b"2"] == story.sent()

    def test_cause_is_told_rather_than_the_time(self) -> None:
        """Of a record that was refused again and again, or could not be sent."""
        story = Story(delivery_timeout_s=10.0, linger_s=0.0)
        story.publish(b"1")
        story.sent()
        story.answer(Fate.REFUSED_NOW)
        story.end(DRAINED)
        story.publish(b"2", topic="u")
        story.wait(10.0)
        assert {b"1": ("NOT_ENOUGH_REPLICAS", "no"), b"2": ("SHUTTING_DOWN", "no")} == story.failures()
        assert "given up after 10 s (delivery_timeout_s): said the model" in str(story.told[b"1"])
        assert story.outbox.is_empty

    def test_cause_says_nothing_of_other_records(self) -> None:
        """One that was on the wire when the stream ended may be written; one that waited is not."""
        story = Story(delivery_timeout_s=10.0)
        story.publish(b"1")
        story.wait(1.0)
        story.sent()
        story.publish(b"2")
        story.end(None)
        story.wait(11.0)
        assert {b"1": ("GATEWAY_UNAVAILABLE", "unknown"), b"2": ("GATEWAY_UNAVAILABLE", "no")} == story.failures()
        error = story.told[b"2"]
        assert isinstance(error, RecordError)
        assert error.message.endswith("(delivery_timeout_s): the stream ended without an answer to the record")

    def test_cause_that_is_over_is_not_told(self) -> None:
        """Once something was answered since."""
        story = Story(delivery_timeout_s=10.0)
        story.end(BROKEN)
        story.open()
        story.publish(b"1")
        story.wait(1.0)
        story.sent()
        story.answer()
        story.publish(b"2")
        story.wait(11.0)
        assert {b"2": ("DEADLINE_EXCEEDED", "no")} == story.failures()

    def test_record_on_the_wire_is_unknown(self) -> None:
        """A late answer changes nothing for it, and counts for the others of its step."""
        story = Story(delivery_timeout_s=10.0, linger_s=5.0)
        story.publish(b"1")
        story.wait(5.0)
        story.publish(b"2")
        assert [b"1", b"2"] == story.sent()
        story.wait(5.0)
        assert {b"1": ("DEADLINE_EXCEEDED", "unknown")} == story.failures()
        assert not story.outbox.is_stalled(story.now)
        story.answer()
        assert isinstance(story.told[b"2"], RecordMetadata)
        assert isinstance(story.told[b"1"], RecordError)
        assert 0 == story.outbox.held_bytes

    def test_stream_whose_answers_come_too_late_is_stalled(self) -> None:
        """The first step on the wire speaks for all, since answers come in order."""
        story = Story(delivery_timeout_s=10.0, linger_s=0.0)
        story.publish(b"1")
        story.sent()
        story.wait(10.0)
        assert story.outbox.is_stalled(story.now)
        story.end(BROKEN)
        assert 0 == story.outbox.held_bytes

    @pytest.mark.parametrize("refused", [False, True])
    def test_late_refusal_tries_again_only_what_has_time(self, *, refused: bool) -> None:
        """Whether the step is refused, or its stream drained."""
        story = Story(delivery_timeout_s=10.0, linger_s=5.0)
        story.publish(b"1")
        story.wait(5.0)
        story.publish(b"2", b"3")
        story.sent()
        story.wait(5.0)
        if refused:
            story.answer(*[Fate.REFUSED_NOW] * 3)
        else:
            story.end(DRAINED)
            story.wait(2.0)
            story.open()
        story.wait(2.0)
        assert [b"2", b"3"] == story.sent()

    def test_settled_batches_are_let_go(self) -> None:
        """What watches the time of records does not hold those that are settled."""
        story = Story(linger_s=0.0)
        for number in range(50):
            story.publish(b"%d" % number)
            story.sent()
            story.answer()
        assert math.isinf(story.outbox.tick_at)
        assert (True, 0) == (story.outbox.is_empty, story.outbox.held_bytes)

    def test_settled_batches_are_let_go_even_while_an_earlier_one_is_stuck(self) -> None:
        """Nor the lanes of their topics, of which there is a new set whenever everything of the topic is settled."""
        story = Story(linger_s=0.0)
        story.publish(b"stuck", topic="stuck")
        story.sent()
        story.refuse(refusal())
        held = _alive(Batch), _alive(TopicLanes)
        for number in range(50):
            story.publish(b"%d" % number)
            story.sent()
            story.answer()
        assert [b"%d" % number for number in range(50)] == list(story.told)
        assert all(now <= before + 2 for before, now in zip(held, (_alive(Batch), _alive(TopicLanes)), strict=True))

    def test_given_up_records_leave_nothing_while_no_stream_opens(self) -> None:
        """However long the gateway is away."""
        story = Story(delivery_timeout_s=2.0)
        story.end(BROKEN)
        held = _alive(TopicLanes)
        for number in range(50):
            story.publish(b"%d" % number)
            story.wait(2.0)
        assert 50 == len(story.failures())
        assert _alive(TopicLanes) <= held + 1


def _alive(kind: type) -> int:
    """Return how many objects of `kind` are in memory."""
    gc.collect()
    return sum(type(thing) is kind for thing in gc.get_objects())


class TestEnd:
    """What an end that does not wait tells."""

    def test_abandoned_records_are_told_what_is_known(self) -> None:
        """On the wire: unknown; else: no."""
        story = Story(batch_records_max=1)
        story.publish(b"1", b"2")
        story.sent()
        story.note(story.outbox.abandon())
        assert {b"1": ("DEADLINE_EXCEEDED", "unknown"), b"2": ("DEADLINE_EXCEEDED", "no")} == story.failures()
        assert (True, 0) == (story.outbox.is_empty, story.outbox.held_bytes)


class TestHalt:
    """A failure that nothing may come after."""

    @pytest.fixture
    def story(self) -> Story:
        """An outbox that stops at every record that is certainly not stored, with one on the wire and one queued."""
        story = Story(delivery_timeout_s=10.0, halts_on=lambda error: error.delivered is Delivered.NO)
        story.publish(b"1")
        story.wait(1.0)
        assert [b"1"] == story.sent()
        story.publish(b"2")
        return story

    def test_refusal_halts(self, story: Story) -> None:
        """What is queued fails, and so does what comes later."""
        story.publish(b"other topic", topic="u")
        story.refuse(refusal("TOPIC_FORBIDDEN", retriable=False))
        told = ("TOPIC_FORBIDDEN", "no")
        assert {b"1": told, b"2": told, b"other topic": told} == story.failures()
        assert (True, None) == (story.outbox.is_empty, story.sent())
        with pytest.raises(RecordError, match=r"TOPIC_FORBIDDEN .* not sent behind a record that failed: said the"):
            story.publish(b"3")

    def test_what_halts_is_told(self, story: Story) -> None:
        """With each record that was not sent for it, and with no other."""
        story.refuse(refusal("TOPIC_FORBIDDEN", retriable=False))
        cause, halted = story.told[b"1"], story.told[b"2"]
        assert isinstance(cause, RecordError)
        assert isinstance(halted, RecordError)
        assert (None, cause, cause) == (cause.halted_by, halted.halted_by, halted.in_doubt().halted_by)

    def test_time_that_is_over_halts(self, story: Story) -> None:
        """Though there would be time for the others."""
        story.answer(Fate.REFUSED_NOW)
        story.wait(9.0)
        assert {b"1": ("NOT_ENOUGH_REPLICAS", "no"), b"2": ("NOT_ENOUGH_REPLICAS", "no")} == story.failures()
        assert story.outbox.is_empty

    def test_end_of_the_stream_halts(self, story: Story) -> None:
        """Where it refuses everything."""
        story.end(RecordError("UNAUTHENTICATED", "who?"))
        assert {b"1": ("UNAUTHENTICATED", "no"), b"2": ("UNAUTHENTICATED", "no")} == story.failures()
        with pytest.raises(RecordError, match="UNAUTHENTICATED"):
            story.publish(b"3")

    def test_other_failures_do_not(self, story: Story) -> None:
        """What may be stored is done with, here."""
        story.refuse(refusal("DEADLINE_EXCEEDED", delivered="UNKNOWN"))
        story.wait(1.0)
        assert [b"2"] == story.sent()

    @pytest.mark.parametrize("raised", [ZeroDivisionError, SystemExit])
    def test_question_that_fails_is_logged_and_halts_nothing(
        self, caplog: pytest.LogCaptureFixture, raised: type[BaseException]
    ) -> None:
        """The record it was asked about is told all the same; not even where it wants to exit."""

        def failing(_error: RecordError) -> bool:
            raise raised

        story = Story(halts_on=failing)
        story.publish(b"1")
        story.wait(1.0)
        assert [b"1"] == story.sent()
        story.publish(b"2")
        with caplog.at_level(logging.ERROR, logger="twinpost.client.outbox"):
            story.refuse(refusal("TOPIC_FORBIDDEN", retriable=False))
        assert {b"1": ("TOPIC_FORBIDDEN", "no")} == story.failures()
        assert ["halts_on failed; it halts nothing"] == [record.message for record in caplog.records]
        story.wait(1.0)
        assert [b"2"] == story.sent()

    def test_what_is_on_the_wire_goes_on(self, story: Story) -> None:
        """Also where it must be tried again."""
        story.publish(b"without a key", key=None)
        story.wait(1.0)
        assert [b"without a key"] == story.sent()
        story.refuse(refusal("TOPIC_FORBIDDEN", retriable=False))
        story.answer(Fate.REFUSED_NOW)
        story.wait(1.0)
        assert [b"without a key"] == story.sent()
        story.answer()
        assert isinstance(story.told[b"without a key"], RecordMetadata)


class TestRoom:
    """What the buffer takes."""

    def test_buffer_counts_what_records_take(self) -> None:
        """Tiny records are not free, and what is settled makes room."""
        story = Story(buffer_bytes_max=2048, batch_bytes_max=1024, linger_s=0.0)
        story.publish(b"1", b"2", b"3", b"4")
        assert not story.outbox.add(Record("t", b"5", key=b"k"), b"5", story.now)
        assert 4 * 400 < story.outbox.held_bytes <= 2048
        story.sent()
        story.answer()
        assert story.outbox.add(Record("t", b"5", key=b"k"), b"5", story.now)

    def test_large_record_travels_alone(self) -> None:
        """Whatever its lane, or another one, has ready; those of a usual size are gathered as ever."""
        story = Story(batch_bytes_max=1024, record_bytes_max=8192, buffer_bytes_max=65536, linger_s=0.0)
        large = b"." * 4096
        story.publish(b"1", b"2")
        story.publish(large)
        story.publish(b"3", b"4")
        story.publish(b"5", key=b"other")
        steps = []
        while (sent := story.sent()) is not None:
            steps.append(sent)
            story.answer()
        assert [large] in steps
        assert [b"1", b"2"] == [value for value in steps[0] if value != b"5"]
        assert {b"1", b"2", b"3", b"4", b"5", large} == story.told.keys()
        assert {} == story.failures()

    def test_record_that_cannot_fit_is_refused_even_where_there_is_no_room(self) -> None:
        """It need not wait to be told."""
        story = Story(buffer_bytes_max=2048, batch_bytes_max=1024)
        story.publish(b"1", b"2", b"3", b"4")
        with pytest.raises(RecordError, match="raise record_bytes_max"):
            story.outbox.add(Record("t", b"." * 1024), b"large", story.now)
