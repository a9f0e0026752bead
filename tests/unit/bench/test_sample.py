"""What is derived from a sample."""

from __future__ import annotations

import math

import msgspec

from tests.unit.bench.made import sample


def test_processor_time_is_that_of_all_parts() -> None:
    """Envoy counts as well as the server behind it."""
    both = msgspec.structs.replace(sample("c", "s", records_per_s=1000), cpu_s={"server": 0.01, "envoy": 0.03})
    assert math.isclose(40.0, both.cpu_us_per_record)


def test_no_records_cost_infinitely_much() -> None:
    """A system that answered nothing must not look cheap."""
    assert math.inf == sample("c", "s", records_per_s=0).cpu_us_per_record
    assert math.inf == sample("c", "s", records_per_s=0).cpu_us_per_request
