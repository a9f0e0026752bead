"""Clients, of both kinds: one call for each request."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import grpc
import pytest

from tests.brokers.ports import LOOPBACK, free_port
from tests.brokers.waiting import wait_for
from tests.client.doors import Door
from tests.client.fake_gateway import Abort, FakeGateway, Hang, Results, refused
from tests.client.model_gateway import refusal
from twinpost.client import AsyncClient, Client, Delivered, Record, RecordError, RecordMetadata, RetryPolicy, Violation
from twinpost.v1 import producer_service_pb2, record_pb2
from twinpost_server.core.errors import Delivered as ServerDelivered
from twinpost_server.core.errors import Failure, Reason
from twinpost_server.core.errors import Violation as ServerViolation

Request = producer_service_pb2.ProduceRequest

RECORDS = [Record("greetings", b"%d" % number) for number in range(3)]
BRISK = RetryPolicy(delay_s_min=0.01, delay_s_max=0.05)


def told(outcome: object) -> tuple[str, str]:
    """Return the reason, and what is known, of a record that must not have been acknowledged."""
    assert isinstance(outcome, RecordError), outcome
    return outcome.reason, outcome.delivered


def first_raises(fake: FakeGateway, end: Exception, times: int = 1) -> Callable[[Request], Results]:
    """Return what makes the first so many calls with records end so, and stores those of later ones."""
    left = iter(range(times))

    def produce(request: Request) -> Results:
        if request.records and next(left, None) is not None:
            raise end
        return fake.store(request.records)

    return produce


async def test_records_are_written_in_one_request(door: Door, fake: FakeGateway) -> None:
    """And told in its order."""
    outcomes = await door.produce_many(fake.address, RECORDS)
    assert [RecordMetadata("greetings", 0, offset, 1) for offset in range(3)] == [
        outcome._replace(topic="greetings") for outcome in outcomes if isinstance(outcome, RecordMetadata)
    ]
    assert [b"0", b"1", b"2"] == fake.values
    assert [0, 3] == [len(call.records) for call in fake.calls]


async def test_each_record_has_its_own_outcome(door: Door, fake: FakeGateway) -> None:
    """Where some of a request are stored and others are not."""
    fake.produce = lambda request: [
        *fake.store(request.records[:1]),
        *[refusal("RECORD_TOO_LARGE", retriable=False), refusal("DEADLINE_EXCEEDED", delivered="UNKNOWN")][
            : len(request.records)
        ],
    ]
    stored, large, late = await door.produce_many(fake.address, RECORDS)
    assert isinstance(stored, RecordMetadata)
    assert ("RECORD_TOO_LARGE", "no") == told(large)
    assert ("DEADLINE_EXCEEDED", "unknown") == told(late)
    assert [False, True] == [error.retriable for error in (large, late) if isinstance(error, RecordError)]


async def test_refused_request_tells_every_violation(door: Door, fake: FakeGateway) -> None:
    """It is refused whole, so every record has the same error, which says where it is wrong."""
    failure = Failure.of_violations(
        Reason.INVALID_RECORD, (ServerViolation("[0].topic", "bad"), ServerViolation("[2].headers[0].key", "worse"))
    )
    fake.produce = first_raises(fake, refused(failure))
    outcomes = await door.produce_many(fake.address, RECORDS)
    assert [("INVALID_RECORD", "no")] * 3 == [told(outcome) for outcome in outcomes]
    assert isinstance(outcomes[0], RecordError)
    assert (Violation("records[0].topic", "bad"), Violation("records[2].headers[0].key", "worse")) == outcomes[
        0
    ].violations
    assert [] == fake.values


async def test_overloaded_gateway_is_asked_again_when_it_says(door: Door, fake: FakeGateway) -> None:
    """Nothing was written, so nothing is written twice."""
    failure = Failure(reason=Reason.OVERLOADED, message="full", retry_after_s=0.2)
    fake.produce = first_raises(fake, refused(failure))
    began = time.monotonic()
    outcomes = await door.produce_many(fake.address, RECORDS, retry=BRISK)
    assert time.monotonic() - began >= 0.2
    assert all(isinstance(outcome, RecordMetadata) for outcome in outcomes)
    assert [b"0", b"1", b"2"] == fake.values


async def test_without_retries_the_first_refusal_is_told(door: Door, fake: FakeGateway) -> None:
    """With the time to come back."""
    failure = Failure(reason=Reason.QUOTA_EXCEEDED, message="too fast", retry_after_s=2.5)
    fake.produce = first_raises(fake, refused(failure))
    outcome = (await door.produce_many(fake.address, RECORDS, retry=None))[0]
    assert ("QUOTA_EXCEEDED", "no") == told(outcome)
    assert isinstance(outcome, RecordError)
    assert (2.5, True) == (outcome.retry_delay_s, outcome.safely_retriable)


async def test_retries_end_with_the_time(door: Door, fake: FakeGateway) -> None:
    """The last refusal is what is told, not that time is over: it says why."""
    failure = Failure(reason=Reason.NOT_ENOUGH_REPLICAS, message="heal", retry_after_s=0.05)
    fake.produce = first_raises(fake, refused(failure), times=1000)
    outcomes = await door.produce_many(fake.address, RECORDS, timeout_s=1.0, retry=BRISK)
    assert [("NOT_ENOUGH_REPLICAS", "no")] * 3 == [told(outcome) for outcome in outcomes]
    assert len(fake.calls) > 3


@pytest.mark.parametrize(
    "end",
    [
        Abort(grpc.StatusCode.UNAVAILABLE),
        refused(
            Failure(
                reason=Reason.BROKERS_UNAVAILABLE, message="gone", delivered=ServerDelivered.UNKNOWN, retry_after_s=0.01
            )
        ),
    ],
    ids=["proxy", "gateway"],
)
async def test_what_may_be_stored_is_not_sent_again(door: Door, fake: FakeGateway, end: Abort) -> None:
    """The caller decides."""
    fake.produce = first_raises(fake, end)
    outcomes = await door.produce_many(fake.address, RECORDS, retry=BRISK)
    assert ["unknown"] * 3 == [told(outcome)[1] for outcome in outcomes]
    assert [] == fake.values


async def test_late_answer_is_unknown(door: Door, fake: FakeGateway) -> None:
    """The time holds, whatever the gateway does."""
    fake.produce = first_raises(fake, Hang())
    began = time.monotonic()
    outcomes = await door.produce_many(fake.address, RECORDS, timeout_s=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert [("DEADLINE_EXCEEDED", "unknown")] * 3 == [told(outcome) for outcome in outcomes]


async def test_gateway_that_is_not_there_has_written_nothing(door: Door) -> None:
    """Which is certain, since nothing was sent."""
    outcomes = await door.produce_many(f"{LOOPBACK}:{free_port()}", RECORDS, timeout_s=0.3, retry=BRISK)
    assert [("GATEWAY_UNAVAILABLE", "no")] * 3 == [told(outcome) for outcome in outcomes]


async def test_gateway_that_comes_late_is_waited_for(door: Door, fake: FakeGateway) -> None:
    """As long as there is time."""
    fake.stop()
    calling = asyncio.create_task(door.produce_many(fake.address, RECORDS, retry=BRISK))
    await asyncio.sleep(0)
    fake.start()
    assert all(isinstance(outcome, RecordMetadata) for outcome in await calling)
    assert 3 == len(fake.values)


@pytest.mark.parametrize("results", [[], [record_pb2.RecordResult()] * 3], ids=["none", "empty ones"])
async def test_answer_that_breaks_the_contract_leaves_the_records_unknown(
    door: Door, fake: FakeGateway, results: Results
) -> None:
    """Nobody can say whose results they are, or what they mean."""
    fake.produce = lambda request: results if request.records else []
    outcomes = await door.produce_many(fake.address, RECORDS)
    assert [("INTERNAL", "unknown")] * 3 == [told(outcome) for outcome in outcomes]


async def test_no_time_means_nothing_sent(door: Door, fake: FakeGateway) -> None:
    """And so nothing written."""
    outcomes = await door.produce_many(fake.address, RECORDS, timeout_s=0)
    assert [("DEADLINE_EXCEEDED", "no")] * 3 == [told(outcome) for outcome in outcomes]
    assert [] == fake.calls


@pytest.mark.parametrize("timeout_s", [1e10, math.inf])
async def test_no_time_is_too_long(door: Door, fake: FakeGateway, timeout_s: float) -> None:
    """Not even for ever."""
    outcomes = await door.produce_many(fake.address, RECORDS, timeout_s=timeout_s)
    assert [RecordMetadata] * 3 == [type(outcome) for outcome in outcomes]


async def test_time_that_is_no_number_is_refused(door: Door, fake: FakeGateway) -> None:
    """It would never be over."""
    with pytest.raises(ValueError, match="timeout_s is nan: expected a number of seconds"):
        await door.produce_many(fake.address, RECORDS, timeout_s=math.nan)
    assert [] == fake.calls


async def test_no_records_make_no_outcomes(door: Door, fake: FakeGateway) -> None:
    """As in the contract."""
    assert [] == await door.produce_many(fake.address, [])


async def test_wrong_password_is_told(door: Door, fake: FakeGateway) -> None:
    """Before any record is sent; trying again would not help."""

    def unauthenticated(_request: Request) -> Results:
        raise refused(Failure(reason=Reason.UNAUTHENTICATED, message="who?"))

    fake.produce = unauthenticated
    outcomes = await door.produce_many(fake.address, RECORDS, user="clerk", password="wrong")  # noqa: S106 - it is wrong
    assert [("UNAUTHENTICATED", "no")] * 3 == [told(outcome) for outcome in outcomes]
    assert 1 == len(fake.calls)


async def test_single_record_is_returned_or_raised(door: Door, fake: FakeGateway) -> None:
    """`produce` is for those who want one place, or one exception."""
    assert isinstance(await door.produce(fake.address, RECORDS[0]), RecordMetadata)
    fake.produce = first_raises(fake, refused(Failure(reason=Reason.TOPIC_NOT_FOUND, message="no such topic")))
    with pytest.raises(RecordError, match=r"TOPIC_NOT_FOUND \(delivered: no\): no such topic") as raised:
        await door.produce(fake.address, RECORDS[0])
    assert Delivered.NO is raised.value.delivered


def test_client_greets_once(fake: FakeGateway) -> None:
    """A client that is connected sends nothing but records; after a lost connection it looks first."""
    with Client(fake.address, retry=BRISK) as client:
        client.produce_many(RECORDS)
        client.produce_many(RECORDS)
        assert [0, 3, 3] == [len(call.records) for call in fake.calls]
        fake.produce = first_raises(fake, Abort(grpc.StatusCode.UNAVAILABLE))
        assert ["unknown"] * 3 == [told(outcome)[1] for outcome in client.produce_many(RECORDS)]
        client.produce_many(RECORDS)
        assert [3, 0, 3] == [len(call.records) for call in fake.calls][3:]


async def test_channel_of_ones_own_stays_open(fake: FakeGateway) -> None:
    """It is the caller's to close, and may serve others."""
    with grpc.insecure_channel(fake.address) as channel:
        for _ in range(2):
            with Client(channel) as client:
                client.produce(RECORDS[0])
    async with grpc.aio.insecure_channel(fake.address) as aio_channel:
        for _ in range(2):
            async with AsyncClient(aio_channel) as aio_client:
                await aio_client.produce(RECORDS[0])
    assert 4 == len(fake.values)


class TestClosedMeanwhile:
    """A client that is closed while it is at work, and after."""

    @pytest.fixture(params=[0, 3], ids=["greeting", "records"])
    def hangs_at(self, request: pytest.FixtureRequest, fake: FakeGateway) -> int:
        """How many records the request has that the gateway does not answer."""
        count: int = request.param

        def produce(request: Request) -> Results:
            if len(request.records) == count:
                raise Hang
            return fake.store(request.records)

        fake.produce = produce
        return count

    @staticmethod
    def wait_for_call(fake: FakeGateway, hangs_at: int) -> None:
        """Wait until the gateway has the request that it does not answer."""
        wait_for(lambda: [hangs_at] == [len(call.records) for call in fake.calls][-1:], "the call", timeout_s=20)

    async def test_asyncio(self, fake: FakeGateway, hangs_at: int) -> None:
        """Nobody has cancelled the call, so its end is told as any other."""
        client = AsyncClient(fake.address)
        calling = asyncio.create_task(client.produce_many(RECORDS))
        await asyncio.to_thread(self.wait_for_call, fake, hangs_at)
        await client.close()
        delivered = "unknown" if hangs_at else "no"
        assert [("GATEWAY_UNAVAILABLE", delivered)] * 3 == [told(outcome) for outcome in await calling]
        assert [("GATEWAY_UNAVAILABLE", "no")] * 3 == [told(outcome) for outcome in await client.produce_many(RECORDS)]

    async def test_threads(self, fake: FakeGateway, hangs_at: int) -> None:
        """The same."""
        client = Client(fake.address)
        calling = asyncio.create_task(asyncio.to_thread(client.produce_many, RECORDS))
        await asyncio.to_thread(self.wait_for_call, fake, hangs_at)
        client.close()
        delivered = "unknown" if hangs_at else "no"
        assert [("GATEWAY_UNAVAILABLE", delivered)] * 3 == [told(outcome) for outcome in await calling]
        assert [("GATEWAY_UNAVAILABLE", "no")] * 3 == [told(outcome) for outcome in client.produce_many(RECORDS)]

    async def test_cancelled_call_is_cancelled(self, fake: FakeGateway, hangs_at: int) -> None:
        """By whoever waits for it: that is not told as a failure."""
        async with AsyncClient(fake.address) as client:
            calling = asyncio.create_task(client.produce_many(RECORDS))
            await asyncio.to_thread(self.wait_for_call, fake, hangs_at)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
