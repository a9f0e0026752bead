"""What a line of the input is: how it becomes a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from twinpost.client import Record, RecordError
from twinpost_server.core.limits import Limits
from twinpost_server.feed.source import LINE_BYTES_MAX
from twinpost_server.rpc.rest_json import RestDecoder

__all__ = ["Format", "JsonLines", "MessageLines", "PlainLines", "bad_line", "unfit"]

_ANY: Final = 2**31 - 1
"""What a record may hold is for the gateway to say."""


def bad_line(problem: str, reason: str = "INVALID_RECORD") -> RecordError:
    """Return the error of a line that is not what was expected; nothing is sent of it."""
    return RecordError(reason, problem)


def unfit(error: ValueError) -> RecordError:
    """Return the error of a line whose record the client refused with `error`; nothing is sent of it."""
    return bad_line(f"{error}: expected what `twinpost/v1/record.proto` allows")


class Format(Protocol):
    """Makes records of lines."""

    def record(self, line: bytes) -> Record | None:
        """Return the record that `line` is, or `None` where it is none and may be passed over.

        Raises:
            RecordError: INVALID_RECORD: it is not what was expected.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainLines:
    """Each line, whatever its bytes, is a value.

    Attributes:
        topic: of every record.
        key: the same.
        partition: the same.
        headers: the same.
    """

    topic: str
    key: bytes | None = None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()

    def record(self, line: bytes) -> Record:
        """Return the record whose value is `line`."""
        return Record(self.topic, line, key=self.key, partition=self.partition, headers=self.headers)


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Each line is a JSON document, and as it stands the value; blank lines are none.

    Attributes:
        plain: what is the same for every record.
        key_field: the field of the document, which is an object then, whose text is the key; `None` for no such field.
    """

    plain: PlainLines
    key_field: str | None = None

    def record(self, line: bytes) -> Record | None:
        """Return the record whose value is `line`."""
        if not line.strip():
            return None
        record = self.plain.record(line)
        if self.key_field is None:
            _decoded(_DOCUMENT, line)
        else:
            record.key = self._key(_decoded(_FIELDS, line), self.key_field)
        return record

    @staticmethod
    def _key(fields: dict[str, msgspec.Raw], name: str) -> bytes:
        if name not in fields:
            msg = f"the document has no field {name!r}, which is to be the key (--key-field)"
            raise bad_line(msg)
        text = bytes(fields[name])
        if text[:1] == b'"':
            return str(_decoded(_TEXT, text)).encode()
        if text[:1] in {b"{", b"["} or text == b"null":
            msg = f"the field {name!r} is no key: expected a string, a number, true or false"
            raise bad_line(msg)
        # A number stays as it is written: 1e3 and 1000 are two keys.
        return text


class MessageLines:
    """Each line is a message of the REST contract, with a topic of its own or none; blank lines are none."""

    def __init__(self, topic: str) -> None:
        """Take messages for `topic`."""
        self._topic = topic
        limits = Limits(
            record_bytes_max=_ANY, record_headers_max=_ANY, request_records_max=1, body_bytes_max=LINE_BYTES_MAX
        )
        self._decoder = RestDecoder(limits, unknown_fields="refuse")

    def record(self, line: bytes) -> Record | None:
        """Return the record that `line` describes."""
        if not line.strip():
            return None
        decoded = self._decoder.decode(line, self._topic)
        if decoded is None:
            failure = self._decoder.explain(line, self._topic)
            if failure is None:
                # What the fast decoder doubted, the slow one has found to be in order.
                decoded = self._decoder.decode(line, self._topic, names_checked=True)
            elif failure.violations:
                raise bad_line("; ".join(f"{broken.path}: {broken.problem}" for broken in failure.violations))
        if decoded is None or not decoded.single:
            msg = "expected one message on each line, not an array"
            raise bad_line(msg)
        [message] = decoded.records
        return Record(
            message.topic,
            message.value,
            key=message.key,
            partition=message.partition,
            timestamp=message.timestamp,
            headers=[(header.key, header.value) for header in message.headers or ()],
        )


_DOCUMENT: Final = msgspec.json.Decoder(msgspec.Raw)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)


def _decoded(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:  # noqa: ANN401 - what the decoder makes
    try:
        # What is not decoded, since nobody asks for it, is not known to be UTF-8 otherwise.
        line.decode()
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not JSON as expected: {error}"
        raise bad_line(msg) from error
