"""A case: one load, and the systems that it is put on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Case", "Protocol", "Rate"]


class Protocol(StrEnum):
    """How records reach a system."""

    REST = "rest"
    GRPC_UNARY = "grpc-unary"
    GRPC_STREAM = "grpc-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many requests are sent each second, whatever the answers take: exactly one of the two.

    Attributes:
        requests_per_s: so many.
        of_top: this part of what the same system answered, at the median, in the case `of_case` of the same run.
    """

    requests_per_s: float | None = None
    of_top: float | None = None
    of_case: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One load, and the systems that it is put on.

    Attributes:
        name: what the results call it.
        systems: the names of the systems, in the order of the odd rounds; the even ones turn it around.
        records: how many records each request, or each step of a stream, has.
        value_bytes: the length of each record's value.
        connections: how many callers there are, each with a connection of its own and one request, or a window of
            steps, under way.
        rate: None where each caller sends as fast as it gets answers.
    """

    name: str
    systems: tuple[str, ...]
    protocol: Protocol
    records: int = 1
    value_bytes: int = 100
    connections: int = 1
    rate: Rate | None = None
