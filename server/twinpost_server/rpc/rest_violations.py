"""Why a JSON body is refused: the slow, complete reading that only bad bodies pay for."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, NoReturn

from twinpost_server.core.errors import VIOLATIONS_MAX, Failure, Reason, Violation
from twinpost_server.core.records import Record

__all__ = ["explain", "topic_violations"]

_MESSAGE_SHAPE: Final = '{"topic", "partition"?, "timestamp"?, "key"?, "value", "headers"?}'

_TYPES: Final[dict[str, tuple[type, str, bool]]] = {
    "topic": (str, "a string", True),
    "partition": (int, "an integer", True),
    "timestamp": (int, "an integer (milliseconds since the epoch)", True),
    "key": (str, "a string", True),
    "value": (str, "a string, or null for a tombstone; wrap other JSON in a string", True),
    "headers": (list, 'an array of {"key", "value"}', True),
}
_HEADER_TYPES: Final[dict[str, tuple[type, str, bool]]] = {
    "key": (str, "a string", False),
    "value": (str, "a string", False),
}


def explain(body: bytes, topic: str | None, *, unknown_fields_refused: bool) -> Failure:
    """Return why `body` is not a message or an array of messages.

    Args:
        body: what the fast decoder refused.
        topic: the topic of the path, or `None` where every message must name its own.
        unknown_fields_refused: whether a field the contract does not know is a violation.
    """
    if not body.strip():
        return _malformed(f"the body is empty: expected one message {_MESSAGE_SHAPE} or an array of them, as JSON")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        return _malformed(f"the body is not UTF-8 at byte {error.start}: send JSON in UTF-8")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        return _malformed("the JSON is nested too deeply: a message is at most three levels deep")
    except json.JSONDecodeError as error:
        return _malformed(f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    except ValueError as error:
        # A constant JSON does not have, or an integer too long for Python to read.
        return _malformed(f"the body is not JSON that can be read: {str(error)[:200]}")
    violations = tuple(
        islice(_violations(document, topic, unknown_fields_refused=unknown_fields_refused), VIOLATIONS_MAX)
    )
    if not violations:
        return _malformed("the body is not JSON that can be read: check its escapes and numbers")
    return Failure(
        reason=Reason.INVALID_RECORD,
        message=f"{violations[0].path}: {violations[0].problem}; nothing was written",
        violations=violations,
    )


def topic_violations(records: Sequence[Record], topic: str) -> Failure:
    """Return the refusal of messages whose topic is not the path's."""
    violations = tuple(
        islice(
            (
                Violation(f"[{index}].topic", _other_topic(record.topic, topic))
                for index, record in enumerate(records)
                if record.topic not in {None, topic}
            ),
            VIOLATIONS_MAX,
        )
    )
    return Failure(
        reason=Reason.INVALID_RECORD,
        message=f"{violations[0].path}: {violations[0].problem}; nothing was written",
        violations=violations,
    )


def _violations(document: Any, topic: str | None, *, unknown_fields_refused: bool) -> Iterator[Violation]:
    messages = document if isinstance(document, list) else [document]
    for index, message in enumerate(messages):
        path = f"[{index}]" if isinstance(document, list) else ""
        if not isinstance(message, dict):
            yield Violation(path or "body", f"expected a message {_MESSAGE_SHAPE}, got {_shown(message)}")
            continue
        yield from _field_violations(message, path, _TYPES, unknown_fields_refused=unknown_fields_refused)
        if "value" not in message:
            yield Violation(_joined(path, "value"), "missing: expected a string, or null for a tombstone")
        given = message.get("topic")
        if topic is None and given is None:
            yield Violation(_joined(path, "topic"), "missing: expected a topic in each message, or in the path")
        elif isinstance(given, str) and topic not in {None, given}:
            yield Violation(_joined(path, "topic"), _other_topic(given, str(topic)))
        headers = message.get("headers")
        for position, header in enumerate(headers if isinstance(headers, list) else []):
            here = f"{_joined(path, 'headers')}[{position}]"
            if not isinstance(header, dict):
                yield Violation(here, f'expected {{"key", "value"}}, got {_shown(header)}')
                continue
            yield from _field_violations(header, here, _HEADER_TYPES, unknown_fields_refused=unknown_fields_refused)
            for name in _HEADER_TYPES.keys() - header.keys():
                yield Violation(f"{here}.{name}", "missing: expected a string")


def _field_violations(
    fields: dict[str, Any], path: str, types: dict[str, tuple[type, str, bool]], *, unknown_fields_refused: bool
) -> Iterator[Violation]:
    for name, value in fields.items():
        here = _joined(path, name[:60].encode("utf-8", "replace").decode())
        if name not in types:
            if unknown_fields_refused:
                yield Violation(here, f"unknown field{_nearest(name, types)}")
            continue
        expected, description, nullable = types[name]
        if value is None and nullable:
            continue
        # JSON's true and false are integers to Python, and to nobody else.
        if not isinstance(value, expected) or isinstance(value, bool):
            yield Violation(here, f"expected {description}, got {_shown(value)}")
        elif isinstance(value, str) and not _is_utf8(value):
            yield Violation(
                here, "holds a lone surrogate, which has no UTF-8 form: send the pair, or escape it yourself"
            )


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _nearest(name: str, types: dict[str, tuple[type, str, bool]]) -> str:
    nearest = difflib.get_close_matches(name[:60], types, n=1, cutoff=0.5)
    return f": did you mean '{nearest[0]}'?" if nearest else f": expected one of {', '.join(types)}"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: Any) -> str:
    names = {dict: "an object", list: "an array", bool: "a boolean", float: "a number with a fraction or exponent"}
    if value is None:
        return "null"
    if isinstance(value, (dict, list, bool, float)):
        return names[type(value)]
    return "a string" if isinstance(value, str) else "an integer"


def _other_topic(given: str, topic: str) -> str:
    return f"'{given[:60]}' is not the topic of the path, '{topic[:60]}': leave it out, or use /produce"


def _malformed(problem: str) -> Failure:
    return Failure(
        reason=Reason.MALFORMED_REQUEST,
        message=f"{problem}; nothing was written",
        violations=(Violation("body", problem),),
    )


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
