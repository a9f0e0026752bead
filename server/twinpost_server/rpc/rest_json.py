"""JSON to records, and outcomes to JSON: one msgspec pass each way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from twinpost_server.core.errors import Failure, Outcome, RequestFailed
from twinpost_server.core.records import Header, Record
from twinpost_server.rpc.rest_violations import explain, topic_violations
from twinpost_server.rpc.status import STATUSES

__all__ = ["RestDecoder", "encode_failure", "encode_outcome", "encode_outcomes"]


# A message of the REST contract *is* a record once decoded, so that no record is built twice. Where the contract is
# narrower than the record (text, not bytes) or wider (a null topic), the field is declared anew.
class _LenientHeader(Header, gc=False):
    value: str


class _LenientMessage(Record, gc=False):
    value: str | None
    topic: str | None = None  # type: ignore[assignment] # null until `decode` has filled it from the path
    key: str | None = None
    headers: list[_LenientHeader] | None = None  # type: ignore[assignment] # lists are invariant; nobody appends


class _Header(_LenientHeader, gc=False, forbid_unknown_fields=True):
    pass


class _Message(_LenientMessage, gc=False, forbid_unknown_fields=True):
    headers: list[_Header] | None = None  # type: ignore[assignment] # as above


class RestDecoder:
    """Reads the body of a REST request: one message, or an array of them."""

    def __init__(self, *, unknown_fields: Literal["refuse", "ignore"]) -> None:
        """Refuse or ignore fields of a message that the contract does not know."""
        message = _Message if unknown_fields == "refuse" else _LenientMessage
        self._decoder: Final = msgspec.json.Decoder(message | list[message])  # type: ignore[valid-type]
        self._unknown_fields_refused = unknown_fields == "refuse"

    def decode(self, body: bytes, topic: str | None) -> list[Record]:
        """Return the records of `body`, each with its topic.

        Args:
            body: JSON, whatever its Content-Type said.
            topic: the topic of the path, or `None` where every message names its own.

        Raises:
            RequestFailed: MALFORMED_REQUEST for what is not JSON, INVALID_RECORD with every violation otherwise.
        """
        try:
            decoded: Any = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # msgspec stops at the first fault. Naming them all takes a second, slower reading, which only bad bodies
            # pay.
            raise RequestFailed(explain(body, topic, unknown_fields_refused=self._unknown_fields_refused)) from None
        records: list[Any] = decoded if decoded.__class__ is list else [decoded]
        for record in records:
            if record.topic != topic:
                if record.topic is None and topic is not None:
                    record.topic = topic
                elif topic is not None:
                    raise RequestFailed(topic_violations(records, topic))
            elif topic is None:
                raise RequestFailed(explain(body, topic, unknown_fields_refused=self._unknown_fields_refused))
        return records


class _Error(msgspec.Struct, omit_defaults=True):
    error: str
    reason: str
    retriable: bool
    delivered: str


class _ErrorBody(msgspec.Struct, omit_defaults=True):
    error: str
    status: int
    reason: str
    retriable: bool
    delivered: str
    violations: Any = None
    results: Any = None


_ENCODER: Final = msgspec.json.Encoder()


def encode_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """Return the JSON array that answers a request whose records are all stored."""
    return _ENCODER.encode(outcomes)


def encode_outcome(outcome: Outcome) -> bytes:
    """Return the JSON object that answers a request whose one message came in the path."""
    return _ENCODER.encode(outcome)


def encode_failure(failure: Failure, outcomes: Sequence[Outcome]) -> bytes:
    """Return the one error shape of the REST contract."""
    return _ENCODER.encode(
        _ErrorBody(
            error=failure.message,
            status=STATUSES[failure.reason].http,
            reason=failure.reason,
            retriable=failure.retriable,
            delivered=failure.delivered,
            violations=failure.violations or None,
            results=[_result(outcome) for outcome in outcomes] or None,
        )
    )


def _result(outcome: Outcome) -> object:
    if isinstance(outcome, Failure):
        return _Error(outcome.message, outcome.reason, outcome.retriable, outcome.delivered)
    return outcome
