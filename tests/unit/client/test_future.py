"""The future of a published record."""

from __future__ import annotations

import logging
import math
import sys
import threading
from collections.abc import Callable

import pytest

from tests.brokers.waiting import wait_for
from twinpost.client import RecordError, RecordFuture, RecordMetadata
from twinpost.client.future import settle

STORED = RecordMetadata("greetings", 1, 2, 3)
FAILED = RecordError("OVERLOADED", "full", retriable=True)


@pytest.fixture
def told() -> threading.Condition:
    """What futures of one publisher share."""
    return threading.Condition()


def test_stored_record_has_a_result(told: threading.Condition) -> None:
    """And no exception."""
    future = RecordFuture(told)
    assert not future.done()
    settle([(future, STORED)], told)
    assert (True, STORED, None) == (future.done(), future.result(), future.exception())


def test_failed_record_raises(told: threading.Condition) -> None:
    """Or returns its error, for those who ask for that."""
    future = RecordFuture(told)
    settle([(future, FAILED)], told)
    with pytest.raises(RecordError) as raised:
        future.result()
    assert FAILED is raised.value
    assert FAILED is future.exception()


@pytest.mark.parametrize("timeout_s", [None, 1e10, math.inf])
def test_future_waits_as_long_as_is_asked(told: threading.Condition, timeout_s: float | None) -> None:
    """Longer than a lock could."""
    future = RecordFuture(told)
    waiting = threading.Event()

    def told_while_waited_for() -> None:
        waiting.wait(20)
        # Whoever waits has let go of it.
        settle([(future, STORED)], told)

    telling = threading.Thread(target=told_while_waited_for)
    telling.start()
    with told:
        waiting.set()
        assert STORED == future._settled(timeout_s)  # noqa: SLF001 - under the lock, so that it is waited for
    telling.join()


def test_shared_error_does_not_grow(told: threading.Condition) -> None:
    """Records of one step fail with one error, and each future raises it as if it were its own."""
    futures = [RecordFuture(told) for _ in range(50)]
    settle([(future, FAILED) for future in futures], told)
    depths = []
    for future in futures:
        with pytest.raises(RecordError) as raised:
            future.result()
        depths.append(len(raised.traceback))
    assert 1 == len(set(depths))


@pytest.mark.parametrize("ask", [RecordFuture.result, RecordFuture.exception])
def test_record_that_is_not_settled_in_time_says_so(told: threading.Condition, ask: object) -> None:
    """Which is not the record's own failure."""
    assert callable(ask)
    with pytest.raises(TimeoutError, match=r"not settled after 0\.01 s"):
        ask(RecordFuture(told), 0.01)


def test_waiting_thread_is_woken_for_its_record_alone(told: threading.Condition) -> None:
    """All futures of a publisher share one condition."""
    first, second = RecordFuture(told), RecordFuture(told)
    results: list[RecordMetadata] = []
    waiting = threading.Thread(target=lambda: results.append(second.result(20)))
    waiting.start()
    settle([(first, STORED)], told)
    assert [] == results
    settle([(second, STORED._replace(offset=9))], told)
    waiting.join(20)
    assert [9] == [place.offset for place in results]


def test_callbacks_are_called_once_and_in_order(told: threading.Condition) -> None:
    """Those added before with the outcome, those added later at once."""
    future = RecordFuture(told)
    called: list[str] = []
    future.add_done_callback(lambda done: called.append(f"a {done.result().offset}"))
    future.add_done_callback(lambda done: called.append(f"b {done.result().offset}"))
    settle([(future, STORED)], told)
    future.add_done_callback(lambda done: called.append(f"c {done.result().offset}"))
    assert ["a 2", "b 2", "c 2"] == called


@pytest.mark.parametrize("failing", [lambda _done: 1 // 0, lambda _done: sys.exit(1)], ids=["error", "exit"])
def test_callback_that_fails_is_logged_and_fails_nothing_else(
    told: threading.Condition, caplog: pytest.LogCaptureFixture, failing: Callable[[RecordFuture], object]
) -> None:
    """Neither the other callbacks nor the other records; not even where it wants to exit."""
    future = RecordFuture(told)
    called: list[int] = []
    future.add_done_callback(failing)
    future.add_done_callback(lambda done: called.append(done.result().offset))
    with caplog.at_level(logging.ERROR, logger="twinpost.client.future"):
        settle([(future, STORED)], told)
    assert [2] == called
    assert ["a callback of a published record failed"] == [record.message for record in caplog.records]


def test_interrupt_in_a_callback_is_not_swallowed(told: threading.Condition) -> None:
    """Ctrl-C comes on the main thread only, and there a callback may run where `close` gives records up."""
    future = RecordFuture(told)

    def interrupted(_done: RecordFuture) -> None:
        raise KeyboardInterrupt

    future.add_done_callback(interrupted)
    with pytest.raises(KeyboardInterrupt):
        settle([(future, STORED)], told)


def test_callback_that_is_called_at_once_may_exit(told: threading.Condition) -> None:
    """It runs on the caller's own thread, whose exit, or Ctrl-C, is the caller's business."""
    future = RecordFuture(told)
    settle([(future, STORED)], told)
    with pytest.raises(SystemExit):
        future.add_done_callback(lambda _done: sys.exit(1))


def test_many_threads_may_wait_for_one_record(told: threading.Condition) -> None:
    """Each gets the result."""
    future = RecordFuture(told)
    results: list[RecordMetadata] = []
    threads = [threading.Thread(target=lambda: results.append(future.result(20))) for _ in range(5)]
    for thread in threads:
        thread.start()
    settle([(future, STORED)], told)
    wait_for(lambda: len(results) == 5, "every thread", timeout_s=20)
    for thread in threads:
        thread.join(20)
