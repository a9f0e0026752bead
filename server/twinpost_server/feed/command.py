"""The command `twinpost produce`: its flags, understood and checked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.console import Console

from twinpost_server.console import show_error
from twinpost_server.feed.address import Address, TlsFiles
from twinpost_server.feed.errors import FeedError
from twinpost_server.feed.formats import Format, JsonLines, MessageLines, PlainLines
from twinpost_server.feed.password import read_password
from twinpost_server.feed.plan import Plan
from twinpost_server.feed.run import run

__all__ = ["produce"]

_BAD_USAGE: Final = 2


def produce(  # noqa: PLR0913 - a parameter per option
    topic: str,
    value: str | None,
    *,
    url: str,
    user: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    file: Path | None,
    form: str,
    key: str | None,
    key_field: str | None,
    headers: Iterable[str],
    partition: int | None,
    failed: Path | None,
    resume: Path | None,
    timeout_s: float,
    resend_unknown: bool,
) -> int:
    """Feed `topic` with `value`, or with every line of an input, and return the exit code.

    Call from the main thread. The parameters are the options of the command line, whose help says what they mean.

    Returns:
        0 where every line was acknowledged, 1 where some were not, 2 where it could not begin; standard error says why.
    """
    console = Console(stderr=True, highlight=False)
    try:
        _check_input(value, file, failed, resume)
        plan = Plan(
            address=Address.parsed(url, TlsFiles(ca_file, cert_file, key_file)),
            user=user,
            password=None if user is None else read_password(user, password_file, os.environ),
            format=_format(form, PlainLines(topic, _text(key), partition, _headers(headers)), key_field),
            topic=topic,
            value=_text(value),
            input=file,
            failed=failed,
            resume=resume,
            timeout_s=timeout_s,
            resend_unknown=resend_unknown,
        )
        return run(plan, console)
    except FeedError as error:
        show_error(console, str(error))
        return _BAD_USAGE


def _check_input(value: str | None, file: Path | None, failed: Path | None, resume: Path | None) -> None:
    if value is not None and (file or failed or resume):
        msg = "--file, --failed and --resume are for lines: leave them out, or VALUE"
        raise FeedError(msg)
    if resume is not None and failed is None:
        msg = "--resume does not come back to lines that failed for good: have them reported, with --failed FILE"
        raise FeedError(msg)


def _format(form: str, plain: PlainLines, key_field: str | None) -> Format:
    if key_field is not None and (form != "ndjson" or plain.key is not None):
        msg = "--key-field is for --format ndjson, and goes without --key"
        raise FeedError(msg)
    if form == "ndjson":
        return JsonLines(plain, key_field)
    if form == "lines":
        return plain
    if plain != PlainLines(plain.topic):
        msg = "with --format messages each line has its own key, partition and headers: leave the flags out"
        raise FeedError(msg)
    return MessageLines(plain.topic)


def _headers(texts: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
    headers = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"--header {text}: expected NAME=VALUE"
            raise FeedError(msg)
        headers.append((name, os.fsencode(value)))
    return tuple(headers)


def _text(text: str | None) -> bytes | None:
    """Return the bytes of an argument, as they were given."""
    return None if text is None else os.fsencode(text)
