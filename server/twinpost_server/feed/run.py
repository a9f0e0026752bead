"""One run of `twinpost produce`."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import ExitStack
from typing import Final

import msgspec
from rich.console import Console

from twinpost.client import Client, Record, RecordError, RecordMetadata
from twinpost_server.console import show_error, show_notice
from twinpost_server.feed.checkpoint import Checkpoint
from twinpost_server.feed.errors import FeedError
from twinpost_server.feed.failures import FailureReport
from twinpost_server.feed.feeding import Feeding
from twinpost_server.feed.formats import unfit
from twinpost_server.feed.meter import Meter
from twinpost_server.feed.plan import Plan
from twinpost_server.feed.source import Source

__all__ = ["run"]

_ALL_DONE: Final = 0
_NOT_ALL_DONE: Final = 1


def run(plan: Plan, console: Console) -> int:
    """Do what `plan` says, and return the exit code: 0 where every line is acknowledged, 1 where some are not.

    Call from the main thread. Ctrl-C and SIGTERM end the reading; what was read is waited for.

    Args:
        plan: what is to be done.
        console: standard error, for people.

    Raises:
        FeedError: it cannot begin.
    """
    try:
        return _single(plan, plan.value, console) if plan.value is not None else _many(plan, console)
    except OSError as error:
        show_error(console, f"{error.filename or 'a file'}: {error.strerror}")
        return _NOT_ALL_DONE


def _single(plan: Plan, value: bytes, console: Console) -> int:
    address = plan.address
    with Client(address.target, user=plan.user, password=plan.password, tls=address.tls) as client:
        try:
            record = plan.format.record(value)
            if record is None:
                msg = "VALUE is blank: expected what --format says"
                raise FeedError(msg)
            place = _produced(client, record, plan.timeout_s)
        except RecordError as error:
            show_error(console, str(error))
            return _NOT_ALL_DONE
    told = {name: getattr(place, name) for name in ("topic", "partition", "offset", "timestamp")}
    show_notice(Console(highlight=False), msgspec.json.encode(told).decode())
    return _ALL_DONE


def _produced(client: Client, record: Record, timeout_s: float) -> RecordMetadata:
    try:
        return client.produce(record, timeout_s=timeout_s)
    except ValueError as error:
        raise unfit(error) from error


def _many(plan: Plan, console: Console) -> int:
    with ExitStack() as stack:
        source = stack.enter_context(Source.opened(plan.input))
        report = stack.enter_context(FailureReport.opened(plan.failed)) if plan.failed is not None else None
        _check_apart(plan)
        checkpoint = (
            stack.enter_context(Checkpoint.opened(plan.resume, plan.topic)) if plan.resume is not None else None
        )
        meter = stack.enter_context(Meter(console, source.size_bytes))
        feeding = Feeding(plan, console, meter, report, checkpoint)
        feeding.feed(source)
    meter.conclude()
    return _ALL_DONE if feeding.all_acknowledged else _NOT_ALL_DONE


def _check_apart(plan: Plan) -> None:
    """Refuse a file that is given twice, as far as they exist: the report would be read as lines, or overwritten.

    Raises:
        FeedError: one is.
    """
    source = ("standard input", sys.stdin.fileno()) if plan.input is None else ("--file", plan.input)
    names: dict[tuple[int, int], str] = {}
    for name, file in (source, ("--failed", plan.failed), ("--resume", plan.resume)):
        try:
            status = None if file is None else os.stat(file)  # noqa: PTH116 - a path has no descriptor
        except OSError:
            continue  # Whoever opens it tells why it cannot be.
        # What is no file, such as a terminal, keeps what is read and what is written apart.
        if status is None or not stat.S_ISREG(status.st_mode):
            continue
        other = names.setdefault((status.st_dev, status.st_ino), name)
        if other != name:
            msg = f"{other} and {name} are the same file: name another one with {name}"
            raise FeedError(msg)
