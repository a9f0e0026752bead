"""Why a JSON body is refused: the slow, complete reading that only bad bodies pay for."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from twinpost_server.core.errors import VIOLATIONS_MAX, Failure, Reason, Violation
from twinpost_server.core.limits import Limits
from twinpost_server.core.rules import (
    header_key_problem,
    headers_problem,
    partition_problem,
    size_problem,
    timestamp_problem,
    topic_problem,
)

__all__ = ["explain", "messages_counted", "without_index"]

_MESSAGE_SHAPE: Final = '{"topic", "partition"?, "timestamp"?, "key"?, "value", "headers"?}'
_HEADER_SHAPE: Final = '{"key", "value"}'


class _Field(NamedTuple):
    """What a field must be: its type in words and in Python, whether null will do, and the rule of its values."""

    kind: type
    description: str
    nullable: bool = True
    problem: Callable[[Any], str | None] = lambda _: None


_FIELDS: Final = {
    "topic": _Field(str, "a string", problem=topic_problem),
    "partition": _Field(int, "an integer", problem=partition_problem),
    "timestamp": _Field(int, "an integer, milliseconds since the epoch", problem=timestamp_problem),
    "key": _Field(str, "a string"),
    "value": _Field(str, "a string, or null for a tombstone; wrap other JSON in a string"),
    "headers": _Field(list, f"an array of {_HEADER_SHAPE}"),
}
_HEADER_FIELDS: Final = {
    "key": _Field(str, "a string", nullable=False, problem=header_key_problem),
    "value": _Field(str, "a string", nullable=False),
}


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names came more than once."""

    repeated: tuple[str, ...] = ()


def explain(body: bytes, topic: str | None, limits: Limits, *, unknown_fields_refused: bool) -> Failure | None:
    """Return why `body` is not a message, or an array of messages, that the contract takes; `None` where it is.

    A record that is too large is told beside what else is wrong, as `RecordBatch.checked` does, and left to that where
    nothing else is.

    May take seconds, so not on the loop's thread, but holds up other threads only for as long as one message of the
    largest size takes to read. A pure function.

    Args:
        body: what the fast decoder refused or doubted.
        topic: the topic of the path, or `None` where every message must name its own.
        limits: how many messages and headers are looked at.
        unknown_fields_refused: whether a field the contract does not know is a violation.
    """
    if not body.strip():
        return _malformed(f"the body is empty: expected one message {_MESSAGE_SHAPE} or an array of them, as JSON")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return _malformed(f"the body is not UTF-8 at byte {error.start}: send JSON in UTF-8")
    elements = _elements(body)
    if elements is not None and len(elements) > limits.request_records_max:
        return Failure(
            reason=Reason.REQUEST_TOO_LARGE,
            message=(
                f"the request holds {len(elements)} messages, more than the limit of {limits.request_records_max} "
                "(limits.request_records_max): split it; nothing was written"
            ),
        )
    walk = _Walk(topic, limits, unknown_fields_refused=unknown_fields_refused)
    try:
        found = walk.body(body) if elements is None else walk.elements(elements)
        violations = list(islice(found, VIOLATIONS_MAX))
    except _UnreadableError as error:
        return _malformed(str(error))
    if not violations:
        return None
    violations += walk.sizes[: VIOLATIONS_MAX - len(violations)]
    return Failure.of_violations(Reason.INVALID_RECORD, tuple(violations))


def without_index(failure: Failure, root: str) -> Failure:
    """Return `failure` with its paths as the sender of a single message, and not of an array, would write them.

    Args:
        failure: of a request with one record.
        root: what to call the message itself: `body` or `path`.
    """
    if not failure.violations:
        return failure
    return Failure.of_violations(
        failure.reason,
        tuple(
            Violation(violation.path.removeprefix("[0]").removeprefix(".") or root, violation.problem)
            for violation in failure.violations
        ),
    )


def messages_counted(body: bytes) -> int:
    """Return how many messages the array `body` holds, unread, or 1 for what is no array."""
    elements = _elements(body)
    return 1 if elements is None else len(elements)


def _elements(body: bytes) -> list[msgspec.Raw] | None:
    """Return the elements of an array, unread: counting them costs a hundredth of what building them does."""
    try:
        return _ELEMENTS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _is_json(body: bytes) -> bool:
    try:
        _ANYTHING.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ANYTHING: Final = msgspec.json.Decoder(msgspec.Raw)

_ESCAPE_LENGTH: Final = 6
"""A byte of a record takes at most this many in JSON, as in `\\u001f`."""

_MESSAGE_OVERHEAD_BYTES: Final = 64 * 1024
"""What names, brackets and white space of one message may take on top."""


class _UnreadableError(Exception):
    """The body is not JSON, for the reason that the exception's text gives."""


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError:
        msg = "the JSON is nested too deeply: a message is at most three levels deep"
    except json.JSONDecodeError as error:
        msg = f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
    except ValueError:
        # Python reads no integer of more than 4300 digits; the contract's own numbers have at most 19.
        msg = "the body has a number that is too long to read, or one that JSON does not have (NaN, Infinity)"
    raise _UnreadableError(msg)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    fields = _Object(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        fields.repeated = tuple(name for name, count in counts.items() if count > 1)
    return fields


class _Walk:
    """Goes through messages and yields what is wrong, where.

    Attributes:
        sizes: the records so far that are too large, which are told last.
    """

    def __init__(self, topic: str | None, limits: Limits, *, unknown_fields_refused: bool) -> None:
        self._topic = topic
        self._headers_max = limits.record_headers_max
        self._record_bytes_max = limits.record_bytes_max
        self._json_bytes_max = _ESCAPE_LENGTH * limits.record_bytes_max + _MESSAGE_OVERHEAD_BYTES
        self._unknown_fields_refused = unknown_fields_refused
        self.sizes: list[Violation] = []

    def body(self, body: bytes) -> Iterator[Violation]:
        if len(body) <= self._json_bytes_max:
            document = _parsed(body)
            for index, message in enumerate(document) if isinstance(document, list) else [(None, document)]:
                yield from self.message(message, "" if index is None else f"[{index}]")
        elif _is_json(body):
            yield self._too_long(len(body), "body")
        else:
            msg = f"the body is not JSON; with {len(body)} bytes it is too long to say where"
            raise _UnreadableError(msg)

    def elements(self, elements: Sequence[msgspec.Raw]) -> Iterator[Violation]:
        # One by one: the library that reads them lets no other thread work until it is done.
        for index, element in enumerate(elements):
            encoded = bytes(element)
            if len(encoded) <= self._json_bytes_max:
                yield from self.message(_parsed(encoded), f"[{index}]")
            else:
                yield self._too_long(len(encoded), f"[{index}]")

    def _too_long(self, length: int, path: str) -> Violation:
        return Violation(
            path,
            f"{length} bytes of JSON are more than a record of at most {self._record_bytes_max} bytes "
            f"(limits.record_bytes_max) can take: expected {_MESSAGE_SHAPE}",
        )

    def message(self, message: Any, path: str) -> Iterator[Violation]:  # noqa: ANN401 - JSON is anything
        if not isinstance(message, _Object):
            yield Violation(path or "body", f"expected a message {_MESSAGE_SHAPE}, got {_shown(message)}")
            return
        yield from self._fields(message, path, _FIELDS)
        given = message.get("topic")
        if given is None and self._topic is None:
            yield Violation(_joined(path, "topic"), "missing: expected a topic in each message, or in the path")
        elif isinstance(given, str) and self._topic not in {None, given}:
            problem = f"{given[:60]!a} is not the topic of the path, '{self._topic}': leave it out, or use /produce"
            yield Violation(_joined(path, "topic"), problem)
        if "value" not in message:
            yield Violation(_joined(path, "value"), "missing: expected a string, or null for a tombstone")
        headers = message.get("headers")
        if isinstance(headers, list):
            yield from self._headers(headers, _joined(path, "headers"))
        if too_large := size_problem(_record_bytes(message), self._record_bytes_max):
            self.sizes.append(Violation(path or "body", too_large))

    def _headers(self, headers: list[Any], path: str) -> Iterator[Violation]:
        if problem := headers_problem(len(headers), self._headers_max):
            yield Violation(path, problem)
        for index, header in enumerate(headers[: self._headers_max]):
            here = f"{path}[{index}]"
            if not isinstance(header, _Object):
                yield Violation(here, f"expected {_HEADER_SHAPE}, got {_shown(header)}")
                continue
            yield from self._fields(header, here, _HEADER_FIELDS)
            for name in _HEADER_FIELDS:
                if name not in header:
                    yield Violation(f"{here}.{name}", "missing: expected a string")

    def _fields(self, fields: _Object, path: str, known: dict[str, _Field]) -> Iterator[Violation]:
        for name in fields.repeated:
            yield Violation(_joined(path, _printable(name)), "given more than once: send each field once")
        for name, value in fields.items():
            here = _joined(path, _printable(name))
            field = known.get(name)
            if field is None:
                if self._unknown_fields_refused:
                    yield Violation(here, f"unknown field{_nearest(name, known)}")
            elif value is None and field.nullable:
                continue
            # JSON's true and false are integers to Python, and to nobody else.
            elif not isinstance(value, field.kind) or isinstance(value, bool):
                yield Violation(here, f"expected {field.description}, got {_shown(value)}")
            elif isinstance(value, str) and not _is_utf8(value):
                yield Violation(here, "holds a lone surrogate, which has no UTF-8 form: send both halves of the pair")
            elif problem := field.problem(value):
                yield Violation(here, problem)


def _record_bytes(message: _Object) -> int:
    """Return the size of the record that `message` would be, without what is no text in it."""
    headers = message.get("headers")
    parts = [message, *(headers if isinstance(headers, list) else ())]
    texts = [part.get(name) for part in parts if isinstance(part, _Object) for name in ("key", "value")]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if isinstance(text, str))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _printable(name: str) -> str:
    return name[:60].encode("utf-8", "backslashreplace").decode()


def _nearest(name: str, known: dict[str, _Field]) -> str:
    nearest = difflib.get_close_matches(name[:60], known, n=1, cutoff=0.5)
    return f": did you mean '{nearest[0]}'?" if nearest else f": expected one of {', '.join(known)}"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_KINDS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number with a fraction or exponent",
    str: "a string",
    list: "an array",
    _Object: "an object",
}


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON is anything
    return _KINDS[type(value)]


def _malformed(problem: str) -> Failure:
    return Failure(
        reason=Reason.MALFORMED_REQUEST,
        message=f"{problem}; nothing was written",
        violations=(Violation("body", problem),),
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
