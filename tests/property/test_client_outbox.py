"""The client's outbox: any sequence of records, answers, refusals, broken streams and passing time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.model_gateway import Fate, ModelGateway
from twinpost.client.codec import Outcome
from twinpost.client.errors import Delivered, RecordError
from twinpost.client.options import PublisherOptions
from twinpost.client.outbox import Outbox, Settled
from twinpost.client.record import Record, RecordMetadata
from twinpost.client.retry import RetryPolicy

BATCH_BYTES_MAX = 1024
BATCH_RECORDS_MAX = 7
BUFFER_BYTES_MAX = 40_000
DELIVERY_TIMEOUT_S = 20.0
POISON = b"poison"

RECORDS = st.builds(
    lambda topic, key, partition, size, poison: (topic, key, partition, size, poison),
    st.sampled_from(["red", "red", "blue"]),
    st.sampled_from([b"a", b"a", b"b", b"", None]),
    st.sampled_from([None, None, None, 0, 9]),
    st.sampled_from([0, 10, 400]),
    st.sampled_from([False] * 15 + [True]),
)
FATES = st.lists(st.sampled_from([*[Fate.STORED] * 5, *list(Fate)]), min_size=1, max_size=BATCH_RECORDS_MAX)
EVENTS = st.one_of(
    st.tuples(st.just("answer"), FATES),
    st.tuples(st.just("answer"), FATES),
    st.tuples(st.just("open and leave"), st.none()),
    st.tuples(st.just("break"), st.integers(0, 3)),
    st.tuples(st.just("drain"), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.001, 0.2, 5.0, DELIVERY_TIMEOUT_S])),
)
# Something to publish, something to send, and something that happens, again and again.
ACTIONS = st.lists(
    st.tuples(
        st.tuples(st.just("publish"), st.lists(RECORDS, max_size=9)),
        st.tuples(st.just("send"), st.integers(0, 3)),
        EVENTS,
    ),
    min_size=3,
    max_size=12,
).map(lambda rounds: [action for actions in rounds for action in actions])


class Play:
    """An outbox, a gateway, and what was told of each record.

    Attributes:
        records: every record taken, by its number, which its value begins with.
        told: what became of each.
    """

    def __init__(self, *, resend_unknown: bool) -> None:
        """Begin with nothing published."""
        options = PublisherOptions(
            batch_bytes_max=BATCH_BYTES_MAX,
            batch_records_max=BATCH_RECORDS_MAX,
            buffer_bytes_max=BUFFER_BYTES_MAX,
            delivery_timeout_s=DELIVERY_TIMEOUT_S,
            resend_unknown=resend_unknown,
            retry=RetryPolicy(delay_s_min=0.1, delay_s_max=1.0),
        )
        self.outbox: Outbox[int] = Outbox(options, lambda: 0.5)
        self.gateway = ModelGateway()
        self.now = 0.0
        self.records: dict[int, Record] = {}
        self.told: dict[int, Outcome] = {}
        self._is_open = False

    def do(self, action: str, argument: object) -> None:
        """Do one thing."""
        match action, argument:
            case "publish", list() as kinds:
                for kind in kinds:
                    self._publish(*kind)
            case "send", int() as steps:
                self._send(steps)
            case "answer", list() as fates:
                self._answer(fates)
            case "open and leave", _:
                self._open()
            case "break", int() as handled:
                self._end(self.gateway.break_off(handled=handled))
            case "drain", _:
                self._end(self.gateway.drain())
            case "wait", float() as seconds:
                self._pass(seconds)

    def finish(self) -> None:
        """Let everything go well from now on, until every record is settled."""
        mark = self.outbox.seal()
        for _ in range(1000):
            if self.outbox.is_flushed(mark):
                break
            self._send(100)
            while self.gateway.steps:
                self._answer([Fate.STORED])
            self._pass(0.1)
        assert self.outbox.is_empty

    def _publish(self, topic: str, key: bytes | None, partition: int | None, size: int, poison: bool) -> None:  # noqa: FBT001 - a tuple's parts
        number = len(self.records)
        value = b"%d/%s" % (number, POISON if poison else b"." * size)
        record = Record(topic, value, key=key, partition=partition)
        if self.outbox.add(record, number, self.now):
            self.records[number] = record
        assert self.outbox.held_bytes <= BUFFER_BYTES_MAX

    def _open(self) -> None:
        if self.outbox.open_at <= self.now:
            self.outbox.opening(self.now)
            self._is_open = True
            greeting = self.outbox.next_step(self.now)
            assert greeting is not None
            self.gateway.take(greeting)

    def _send(self, steps: int) -> None:
        self._pass(0.2)
        self._open()
        while self.gateway.steps and not self.gateway.steps[0].records:
            self._answer([])
        for _ in range(steps):
            if (step := self.outbox.next_step(self.now)) is not None:
                self.gateway.take(step)

    def _answer(self, fates: list[Fate]) -> None:
        if not self.gateway.steps:
            return
        answer = self.gateway.refuse(lambda record: record.value.endswith(POISON), "INVALID_RECORD")
        if answer is None:
            following = iter(fates * (1 + BATCH_RECORDS_MAX))
            answer = self.gateway.answer(lambda: next(following))
        self._note(self.outbox.answered(answer, self.now))

    def _end(self, error: RecordError) -> None:
        if self._is_open:
            self._is_open = False
            self._note(self.outbox.ended(error, self.now))
        self.gateway.steps.clear()

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self._note(self.outbox.tick(self.now))
        if self._is_open and self.outbox.is_stalled(self.now):
            self._end(self.gateway.break_off(handled=1))

    def _note(self, settled: Settled[int]) -> None:
        for number, outcome in settled:
            assert number not in self.told
            self.told[number] = outcome


def order_of(record: Record) -> Hashable:
    """Return what a record keeps its order with; `None` for a record that has no order to keep."""
    if record.partition is not None:
        return record.topic, record.partition
    return None if record.key is None else (record.topic, record.key)


def number_of(value: bytes) -> int:
    """Return the number of the record with this value."""
    return int(value.partition(b"/")[0])


def played(actions: list[tuple[str, object]], *, resend_unknown: bool) -> Play:
    """Return what has come of `actions`, everything being settled."""
    play = Play(resend_unknown=resend_unknown)
    for action, argument in actions:
        play.do(action, argument)
    play.finish()
    return play


@given(actions=ACTIONS, resend_unknown=st.booleans())
@settings(max_examples=60)
def test_every_record_is_settled_once_and_no_bound_is_passed(
    actions: list[tuple[str, object]], *, resend_unknown: bool
) -> None:
    """Whatever happens: one outcome for each record, every step within its limits, and nothing held at the end."""
    play = played(actions, resend_unknown=resend_unknown)
    assert play.records.keys() == play.told.keys()
    assert 0 == play.outbox.held_bytes
    assert all(size <= BATCH_BYTES_MAX and records <= BATCH_RECORDS_MAX for size, records in play.gateway.sizes), (
        play.gateway.sizes
    )


@given(actions=ACTIONS, resend_unknown=st.booleans())
@settings(max_examples=60)
def test_every_outcome_is_true(actions: list[tuple[str, object]], *, resend_unknown: bool) -> None:
    """Stored means there, and once unless it says otherwise; `no` means not there."""
    play = played(actions, resend_unknown=resend_unknown)
    copies: defaultdict[int, list[int]] = defaultdict(list)
    for offset, entry in enumerate(play.gateway.log):
        copies[number_of(entry.value)].append(offset)
    for number, outcome in play.told.items():
        if isinstance(outcome, RecordMetadata):
            assert outcome.offset in copies[number]
            assert len(copies[number]) == 1 or outcome.maybe_duplicated
            assert play.records[number].topic == outcome.topic
        elif outcome.delivered is Delivered.NO:
            assert [] == copies[number]
        elif not resend_unknown:
            assert len(copies[number]) <= 1


@given(actions=ACTIONS, resend_unknown=st.booleans())
@settings(max_examples=60)
def test_acknowledged_records_of_a_key_stand_in_order(
    actions: list[tuple[str, object]], *, resend_unknown: bool
) -> None:
    """Also where some of them were refused and tried again; without `resend_unknown`, so does all that is stored."""
    play = played(actions, resend_unknown=resend_unknown)
    last: dict[Hashable, int] = {}
    for number in sorted(play.told):
        outcome = play.told[number]
        order = order_of(play.records[number])
        if order is not None and isinstance(outcome, RecordMetadata):
            assert last.get(order, -1) < outcome.offset
            last[order] = outcome.offset
    if not resend_unknown:
        stored: dict[Hashable, int] = {}
        for entry in play.gateway.log:
            number = number_of(entry.value)
            order = order_of(play.records[number])
            assert order is None or stored.get(order, -1) < number
            stored[order] = number


@given(actions=ACTIONS)
@settings(max_examples=60)
def test_one_bad_record_fails_no_other(actions: list[tuple[str, object]]) -> None:
    """A step that is refused whole, for one record's sake, is sent again in parts until only that one fails."""
    play = played(actions, resend_unknown=False)
    for number, outcome in play.told.items():
        bad = (play.records[number].value or b"").endswith(POISON)  # type: ignore[arg-type] # bytes, all of them
        if isinstance(outcome, RecordError) and outcome.reason == "INVALID_RECORD":
            assert bad
        assert not (bad and isinstance(outcome, RecordMetadata))
