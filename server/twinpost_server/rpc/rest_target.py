"""The target of a REST request: which route, with which topic, message and key.

It is read from the request target as it came (RFC 9112, 3.2), since Envoy's transcoder drops one trailing slash of a
path variable and lets query parameters replace it. Percent-decoding happens exactly once; a `+` is a plus in the path
and a space in the query (the WHATWG URL standard's form encoding).
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from twinpost_server.core.errors import Failure, Reason, RequestFailed, Violation
from twinpost_server.core.rules import topic_problem

__all__ = ["RestTarget", "parse_target"]

_PREFIX: Final = "/produce"


class RestTarget(NamedTuple):
    """Where a request goes.

    Attributes:
        topic: the topic of the path, or `None` where each message names its own.
        message: the message of the path, or `None` where the body holds the messages.
        key: the key of the query, or `None` for no key.
    """

    topic: str | None
    message: str | None
    key: str | None


_ANY_TOPIC: Final = RestTarget(None, None, None)


def parse_target(method: str, target: str, *, has_body: bool) -> RestTarget:
    """Read the path and the query of `target`, which starts with `/produce`.

    Args:
        method: GET or POST; Envoy's route lets no other through.
        target: path and query as they came, percent-encoded.
        has_body: whether the request has a body. `GET /produce/t/` has an empty message without one, and is
            `GET /produce/t` with one.

    Raises:
        RequestFailed: MALFORMED_REQUEST, INVALID_RECORD for the topic, ROUTE_NOT_FOUND or METHOD_NOT_ALLOWED.
    """
    if target == _PREFIX:
        return _ANY_TOPIC
    path, _, query = target.partition("?")
    parts = path.split("/", 3)
    if parts[:2] != ["", "produce"]:
        raise RequestFailed(
            Failure(
                reason=Reason.ROUTE_NOT_FOUND,
                message="no such route: use /produce, /produce/{topic} or /produce/{topic}/{message}",
            )
        )
    topic = _decoded(parts[2], "path", "topic") if len(parts) > 2 and parts[2] else None  # noqa: PLR2004 - ["", "produce", topic, message]
    message = _decoded(parts[3], "path", "message") if len(parts) > 3 else None  # noqa: PLR2004 - as above
    if message == "" and (method != "GET" or has_body):
        message = None
    if topic is not None and (problem := topic_problem(topic)):
        raise RequestFailed(Failure.of_violations(Reason.INVALID_RECORD, (Violation("path.topic", problem),)))
    if topic is None and message is not None:
        raise RequestFailed(_malformed("the path names no topic: expected /produce/{topic}/{message}", "path"))
    if message is None:
        _refuse_parameters(query)
        return RestTarget(topic, None, None)
    if method != "GET":
        raise RequestFailed(
            Failure(
                reason=Reason.METHOD_NOT_ALLOWED,
                message=f"/produce/{{topic}}/{{message}} takes GET, not {method}: "
                "to POST, send the message in the body to /produce/{topic}",
                allow=("GET",),
            )
        )
    if has_body:
        raise RequestFailed(
            _malformed("the message is in the path, yet the request has a body too: send one of the two", "body")
        )
    return RestTarget(topic, message, _key(query))


def _key(query: str) -> str | None:
    key = None
    for name, value in _parameters(query):
        if name != "key":
            raise RequestFailed(_unknown_parameter(name, "the only one this route takes is 'key'"))
        if key is not None:
            raise RequestFailed(_malformed("the query parameter 'key' stands twice: send it once", "query.key"))
        if value is None:
            raise RequestFailed(
                _malformed("the query parameter 'key' has no '=': write ?key= for the empty key", "query.key")
            )
        key = _decoded(value.replace("+", "%20"), "query", "key")
    return key


def _refuse_parameters(query: str) -> None:
    for name, _ in _parameters(query):
        raise RequestFailed(_unknown_parameter(name, "this route takes none: put it into the message in the body"))


def _parameters(query: str) -> list[tuple[str, str | None]]:
    parameters = []
    for piece in query.split("&"):
        if piece:
            name, equals, value = piece.partition("=")
            parameters.append((_decoded(name.replace("+", "%20"), "query", "name"), value if equals else None))
    return parameters


def _decoded(encoded: str, where: str, what: str) -> str:
    if not encoded.isascii():
        # grpc reads such bytes as UTF-8, or as Latin-1 where they are none: what was sent can no longer be told. A
        # request target is ASCII (RFC 9112, 3.2).
        raise RequestFailed(_malformed(f"the {what} in the {where} has raw bytes: percent-encode them", where))
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeError:
        raise RequestFailed(
            _malformed(f"the {what} in the {where} is not UTF-8 once percent-decoded: encode it as UTF-8", where)
        ) from None


def _unknown_parameter(name: str, expected: str) -> Failure:
    shown = name if len(name) <= _NAME_SHOWN_MAX else f"{name[:_NAME_SHOWN_MAX]}…"
    return _malformed(f"unknown query parameter '{shown}': {expected}", f"query.{shown}")


_NAME_SHOWN_MAX: Final = 60


def _malformed(problem: str, path: str) -> Failure:
    return Failure(
        reason=Reason.MALFORMED_REQUEST,
        message=f"{problem}; nothing was written",
        violations=(Violation(path, problem),),
    )
