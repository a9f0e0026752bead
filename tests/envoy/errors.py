"""The one shape of a REST error."""

from __future__ import annotations

from tests.gateway.rest import RestResponse
from twinpost_server.core.errors import REASONS, Delivered, Reason

__all__ = ["assert_error"]


def assert_error(response: RestResponse, status: int, reason: Reason, delivered: Delivered) -> None:
    """Assert that `response` is an error of the one shape, true to the taxonomy of `core/errors.py`."""
    answer = response.json()
    rule = REASONS[reason]
    assert {
        "status": status,
        "reason": reason,
        "retriable": rule.retriable,
        "delivered": delivered,
        "error": answer.get("error"),
    } == answer
    assert status == response.status
    assert 20 < len(answer["error"]) < 250
    # Nothing of how it is built, and none of Envoy's own words.
    internal = ("sock", "upstream", "envoy", "proto", "grpc", "twinpost.v1", "127.0.0.1")
    assert not [word for word in internal if word in answer["error"].lower()]
    delay = response.headers["retry-after"]
    assert (None if rule.retry_after_s is None else f"{rule.retry_after_s:g}") == delay
