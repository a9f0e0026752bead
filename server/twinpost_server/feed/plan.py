"""What a feed is to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twinpost_server.feed.address import Address
from twinpost_server.feed.formats import Format

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that the command line says.

    Attributes:
        address: the gateway's.
        user: who calls, if anybody is to be named.
        password: that user's.
        format: what a line is.
        topic: where the records go.
        value: the one record's value, instead of an input.
        input: the input's file; `None` for standard input.
        failed: the file to report failures to.
        resume: the file that remembers how far the input is settled.
        timeout_s: how long a line may take.
        resend_unknown: whether to send again what may be stored.
    """

    address: Address
    user: str | None
    password: str | None
    format: Format
    topic: str
    value: bytes | None
    input: Path | None
    failed: Path | None
    resume: Path | None
    timeout_s: float
    resend_unknown: bool
