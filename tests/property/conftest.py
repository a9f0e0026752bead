"""How long Hypothesis looks: enough to find what is there, and no more than a second or two for each test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "twinpost",
    max_examples=100,
    # A busy machine must not fail a test, and no test leaves a file.
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("twinpost")
