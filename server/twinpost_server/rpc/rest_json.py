"""JSON to records, and outcomes to JSON: one msgspec pass each way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from twinpost_server.core.errors import Failure, Outcome
from twinpost_server.core.limits import Limits
from twinpost_server.core.records import Header, Record
from twinpost_server.rpc.rest_violations import explain, messages_counted
from twinpost_server.rpc.status import STATUSES

__all__ = ["Decoded", "RestDecoder", "encode_failure", "encode_outcome", "encode_outcomes"]


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


_MESSAGE_BYTES_MIN: Final = len('{"value":""},')


class Decoded(NamedTuple):
    """A body's records, and whether it was one message instead of an array."""

    records: list[Record]
    single: bool


class RestDecoder:
    """Reads the body of a REST request: one message, or an array of them."""

    def __init__(self, limits: Limits, *, unknown_fields: Literal["refuse", "ignore"]) -> None:
        """Refuse or ignore fields the contract does not know; `limits` bound the search for what is wrong."""
        self._unknown_fields_refused = unknown_fields == "refuse"
        message = _Message if self._unknown_fields_refused else _LenientMessage
        self._decoder: Final = msgspec.json.Decoder(message | list[message])  # type: ignore[valid-type]
        self._limits = limits

    def decode(self, body: bytes, topic: str | None, *, names_checked: bool = False) -> Decoded | None:
        """Return what `body` holds, each record with its topic, or `None` where it is, or may be, at fault.

        Args:
            body: JSON, whatever its Content-Type said.
            topic: the topic of the path, or `None` where every message names its own.
            names_checked: whether it is known that no message names a field twice.
        """
        if self._too_many(body):
            return None
        try:
            decoded: Any = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        records: list[Any] = decoded if decoded.__class__ is list else [decoded]
        if not names_checked and _may_name_twice(body, records):
            return None
        for record in records:
            if record.topic != topic:
                if record.topic is None:
                    record.topic = topic
                elif topic is not None:
                    return None
            elif topic is None:
                return None
        return Decoded(records, decoded is not records)

    def _too_many(self, body: bytes) -> bool:
        """Return whether `body` holds more messages than it may, which would take long to build for nothing."""
        messages_max = self._limits.request_records_max
        return (
            len(body) > messages_max * _MESSAGE_BYTES_MIN
            and body.count(b"{") > messages_max
            and messages_counted(body) > messages_max
        )

    def explain(self, body: bytes, topic: str | None) -> Failure | None:
        """Return everything that is wrong with a `body` that `decode` did not take, or `None` where nothing is.

        The fast decoder stops at the first fault; naming all takes a second, slower reading, which only bad bodies pay
        for. Takes seconds for the largest ones: run it on a thread then.
        """
        return explain(body, topic, self._limits, unknown_fields_refused=self._unknown_fields_refused)


def _may_name_twice(body: bytes, records: list[Any]) -> bool:
    """Return whether a message of `body` may name a field twice, which the fast decoder takes without a word.

    A name stands in the body once for each message that has it. Where it stands there more often, it is repeated, or
    some text is the same as the name: the slow reading will tell. (A quote within a text is escaped, so that only a
    whole text can look like a name.)
    """
    colons = body.count(b":")
    if colons == len(records):
        # One colon a message is one name a message.
        return False
    headers = sum(len(record.headers) for record in records if record.headers)
    # One at least for each field that is there: with no colon to spare, none is there twice.
    if colons == len(records) + 2 * headers + sum(map(_optional_fields, records)):
        return False
    # A letter of a name may be escaped, and then the name is not found: all of them are between U+0061 and U+0079.
    if _ESCAPED_LETTER.search(body):
        return True
    if body.count(b'"value"') > len(records) + headers:
        return True
    spare = {}
    for name, encoded in _OPTIONAL_FIELDS:
        count = body.count(encoded)
        if count:
            present = sum(getattr(record, name) is not None for record in records)
            spare[name] = count - present - (headers if name == "key" else 0)
    if not any(spare.values()):
        return False
    # What is null stands there, too; telling it from what is absent takes a second decoding, which few bodies need.
    decoded = _GIVEN.decode(body)
    messages = decoded if isinstance(decoded, list) else [decoded]
    return any(
        more > sum(getattr(message, name) == _NULL for message in messages) for name, more in spare.items() if more
    )


def _optional_fields(record: Record) -> int:
    return (
        (record.topic is not None)
        + (record.key is not None)
        + (record.partition is not None)
        + (record.timestamp is not None)
        + (record.headers is not None)
    )


class _Given(msgspec.Struct, gc=False):
    """Which optional fields a message has: in a record, null and absent are the same."""

    topic: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    key: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    partition: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    timestamp: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    headers: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_NULL: Final = msgspec.Raw(b"null")

_GIVEN: Final = msgspec.json.Decoder(_Given | list[_Given])

_ESCAPED_LETTER: Final = re.compile(rb"\\u00(?:6[1-9a-fA-F]|7[0-9])")

_OPTIONAL_FIELDS: Final = tuple((name, f'"{name}"'.encode()) for name in _Given.__struct_fields__)


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
