"""The publishers' options."""

from __future__ import annotations

import pytest

from twinpost.client import PublisherOptions
from twinpost_server.config.settings import LimitSettings


def test_defaults_are_within_those_of_the_gateway() -> None:
    """A step by default is none that a gateway by default refuses, and the largest record fits."""
    limits = LimitSettings()
    options = PublisherOptions()
    assert options.batch_records_max <= limits.request_records_max
    assert limits.record_bytes_max + 64 * 1024 < options.batch_bytes_max < limits.body_bytes_max


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Each with its value and its bound."""
    with pytest.raises(ValueError, match="batch_bytes_max is 10") as raised:
        PublisherOptions(
            batch_bytes_max=10,
            record_bytes_max=9,
            batch_records_max=0,
            linger_s=-1.0,
            buffer_bytes_max=5,
            delivery_timeout_s=-2.0,
        )
    assert [
        "batch_bytes_max is 10: it must be at least 1024",
        "batch_records_max is 0: it must be at least 1",
        "linger_s is -1.0: it must not be below 0",
        "record_bytes_max is 9: it must be at least batch_bytes_max",
        "buffer_bytes_max is 5: it must be at least twice the largest step",
        "delivery_timeout_s is -2.0: it must be above linger_s",
    ] == str(raised.value).split("; ")


def test_buffer_has_room_for_the_largest_record() -> None:
    """Else `publish` would wait for it for ever."""
    with pytest.raises(ValueError, match="it must be at least twice the largest step"):
        PublisherOptions(record_bytes_max=17 * 1024 * 1024)


@pytest.mark.parametrize("name", ["linger_s", "delivery_timeout_s"])
def test_time_that_is_no_number_is_refused(name: str) -> None:
    """Not a number compares with nothing."""
    with pytest.raises(ValueError, match=name):
        PublisherOptions(**{name: float("nan")})  # type: ignore[arg-type]
