"""What a caller may write."""

from __future__ import annotations

import pytest

from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.core.topics import TopicPattern

ALICE = Principal("alice", (TopicPattern("orders"), TopicPattern("logs.*")))


@pytest.mark.parametrize(
    ("topic", "granted"),
    [("orders", True), ("orders2", False), ("logs.a", True), ("logs.", True), ("logs", False), ("", False)],
)
def test_rights_are_what_the_patterns_grant(topic: str, *, granted: bool) -> None:
    """Asking again, once remembered, gives the same answer."""
    assert [granted, granted] == [ALICE.may_write(topic), ALICE.may_write(topic)]


def test_caller_without_patterns_may_write_nothing() -> None:
    """No grant is no right."""
    assert not Principal("nobody", ()).may_write("orders")


def test_anonymous_may_write_everything() -> None:
    """Where `auth.mode` is `none` nobody is refused."""
    assert ("anonymous", True) == (ANONYMOUS.name, ANONYMOUS.may_write("anything"))


def test_memory_of_grants_is_bounded() -> None:
    """A caller who invents topic names is still answered, and remembered no further."""
    principal = Principal("inventor", (TopicPattern("*"),))
    assert all(principal.may_write(f"topic-{number}") for number in range(10_050))
    assert 10_000 == len(principal._granted)  # noqa: SLF001 - the bound shows nowhere else
