"""What is wrong with a configuration."""

from __future__ import annotations

import pytest

from twinpost_server.config.faults import ConfigError, Fault, quoted


def test_error_has_every_fault_on_a_line_of_its_own() -> None:
    """A traceback, too, shows all of them."""
    error = ConfigError(Fault("flag --port", "too high"), Fault("auth", "missing"))
    assert "flag --port: too high\nauth: missing" == str(error)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("8O80", "'8O80'"),
        (99999, "99999"),
        (True, "true"),
        (["a", 3], '["a", 3]'),
        (float("inf"), "Infinity"),
        ("\x1b[31mred", r"'\x1b[31mred'"),
        ("x" * 61, f"'{'x' * 60}…'"),
        pytest.param(1 << 20_000, "a number of thousands of digits", id="huge"),
    ],
)
def test_value_is_quoted_as_it_was_written(value: object, text: str) -> None:
    """Short, and without control characters that a terminal would act on."""
    assert text == quoted(value)
