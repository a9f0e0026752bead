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
from twinpost_server.feed.password import VARIABLE, read_password
from twinpost_server.feed.plan import Plan
from twinpost_server.feed.run import run

__all__ = ["produce"]

_BAD_USAGE: Final = 2

_TIMEOUT_S_MAX: Final = 1_000_000_000
"""Some thirty years, past which a number is a mistake."""


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
        _check_user(user)
        for name, text in (("TOPIC", topic), ("--url", url), ("--user", user or "")):
            _check_text(name, text)
        _check_timeout(timeout_s)
        plan = Plan(
            address=Address.parsed(url, TlsFiles(ca_file, cert_file, key_file)),
            format=_format(form, PlainLines(topic, _text(key), partition, _headers(headers)), key_field),
            user=user,
            # After all that is checked: whoever types it should not do so in vain.
            password=None if user is None else read_password(user, password_file, os.environ),
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


def _check_user(user: str | None) -> None:
    # What was given is not shown: what follows the colon may well be the password.
    if user is not None and ":" in user:
        msg = f"--user has a colon, which no user's name can: give the name alone, and the password in {VARIABLE}"
        raise FeedError(msg)


def _check_text(name: str, text: str) -> None:
    """Refuse an argument that was not given in UTF-8: it cannot be sent as text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = f"{name} {text!a}: expected UTF-8; give it in that encoding"
        raise FeedError(msg) from None


def _check_timeout(timeout_s: float) -> None:
    # NaN is not below it, either; the command line, which has the lower bound, lets that through.
    if not timeout_s <= _TIMEOUT_S_MAX:
        msg = f"--timeout {timeout_s:g}: expected a number of seconds, at most {_TIMEOUT_S_MAX}"
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
        _check_text("--header", name)
        headers.append((name, os.fsencode(value)))
    return tuple(headers)


def _text(text: str | None) -> bytes | None:
    """Return the bytes of an argument, as they were given."""
    return None if text is None else os.fsencode(text)
