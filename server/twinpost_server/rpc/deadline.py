"""The deadline of one request: the caller's, or the gateway's where that is sooner."""

from __future__ import annotations

import re
from typing import Final

from twinpost_server.core.errors import Failure, Reason, RequestFailed, Violation

__all__ = ["ANSWER_MARGIN_S_MAX", "REQUEST_TIMEOUT_HEADER", "budget_s", "parse_timeout_s"]

REQUEST_TIMEOUT_HEADER: Final = "request-timeout"
"""The REST header with which a caller asks for less time: seconds, decimals allowed (`Request-Timeout: 2.5`)."""

ANSWER_MARGIN_S_MAX: Final = 0.1
"""Time kept back for the answer's own way, so that a gRPC caller gets ours and not its own library's."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
"""Narrower than what `float` reads: it would take 1_0, infinity and digits of other scripts."""


def budget_s(caller_timeout_s: float | None, request_timeout_s: float) -> float:
    """Return how many seconds from now the answer must be made.

    Args:
        caller_timeout_s: what is left of the caller's deadline, or `None` where it has none.
        request_timeout_s: the gateway's own limit.
    """
    if caller_timeout_s is None or caller_timeout_s > request_timeout_s + ANSWER_MARGIN_S_MAX:
        return request_timeout_s
    return max(0.0, caller_timeout_s - min(ANSWER_MARGIN_S_MAX, caller_timeout_s / 10))


def parse_timeout_s(text: str) -> float:
    """Return the seconds of a `Request-Timeout` header.

    Raises:
        RequestFailed: MALFORMED_REQUEST: not a number above 0.
    """
    timeout_s = float(text) if _SECONDS.fullmatch(text) else 0.0
    if timeout_s == 0:
        problem = f"Request-Timeout '{text[:40]}' is not a number of seconds above 0, such as 2.5"
        raise RequestFailed(
            Failure(
                reason=Reason.MALFORMED_REQUEST,
                message=f"{problem}; nothing was written",
                violations=(Violation("headers.request-timeout", problem),),
            )
        )
    return timeout_s
