"""Deadlines: any text, any time."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.errors import Reason, RequestFailed
from twinpost_server.rpc.deadline import budget_s, parse_timeout_s


@given(st.one_of(st.text(), st.floats().map(repr), st.from_regex(r"[0-9._e+-]{0,12}", fullmatch=True)))
def test_any_text_is_a_positive_time_or_refused(text: str) -> None:
    """Nothing else ever comes of it."""
    try:
        seconds = parse_timeout_s(text)
    except RequestFailed as refused:
        assert Reason.MALFORMED_REQUEST is refused.failure.reason
    else:
        assert (True, True) == (0 < seconds < math.inf, text.isascii())


@given(st.decimals(min_value="0.001", max_value=999_999, places=3))
def test_plain_decimals_are_read_exactly(seconds: object) -> None:
    """As they are written."""
    assert float(f"{seconds:f}") == parse_timeout_s(f"{seconds:f}")


@given(st.one_of(st.none(), st.floats(-10, 1e9, allow_subnormal=False)), st.floats(0.1, 3600))
def test_budget_is_within_both_limits(caller_timeout_s: float | None, request_timeout_s: float) -> None:
    """Never negative, never over the gateway's limit, and over before the caller has hung up."""
    seconds = budget_s(caller_timeout_s, request_timeout_s)
    assert 0 <= seconds <= request_timeout_s
    if caller_timeout_s is not None and caller_timeout_s > 0:
        assert seconds < caller_timeout_s
