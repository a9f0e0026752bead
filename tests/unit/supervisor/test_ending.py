"""How a process ended."""

from __future__ import annotations

import pytest

from twinpost_server.supervisor.ending import Ending


@pytest.mark.parametrize(
    ("ending", "text", "by_itself"),
    [
        (Ending("envoy", 1), "envoy exited with code 1", True),
        (Ending("worker 0", 0), "worker 0 exited with code 0", True),
        (Ending("worker 0", -9), "worker 0 was ended by SIGKILL", False),
        (Ending("worker 0", -40), "worker 0 was ended by signal 40", False),
        (
            Ending("worker 0", -9, "was silent for 10 s and was killed"),
            "worker 0 was silent for 10 s and was killed",
            False,
        ),
        (Ending("envoy", None, "could not be started (no memory)"), "envoy could not be started (no memory)", False),
    ],
)
def test_ending_says_how(ending: Ending, text: str, by_itself: bool) -> None:  # noqa: FBT001 - a column of the table
    """The text is for people, `by_itself` tells a fault of the process from a blow from outside."""
    assert (text, by_itself) == (str(ending), ending.by_itself)
