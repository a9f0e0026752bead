"""What a caller may write."""

from __future__ import annotations

import pytest

from twinpost_server.core.errors import Reason, RequestFailed
from twinpost_server.core.principal import ANONYMOUS, Principal
from twinpost_server.core.quota import Quota, QuotaMeter
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


def test_caller_without_a_quota_is_charged_nothing() -> None:
    """However much it sends."""
    for _ in range(1000):
        ANONYMOUS.charge(10**9, 10**12)


def test_caller_is_charged_against_its_own_quota() -> None:
    """What one user sends costs no other."""
    alice, bob = (
        Principal(name, (TopicPattern("*"),), QuotaMeter(Quota(records_per_s=1), lambda: 0.0))
        for name in ("alice", "bob")
    )
    alice.charge(2, 0)
    bob.charge(1, 0)
    with pytest.raises(RequestFailed) as refused:
        alice.charge(1, 0)
    assert Reason.QUOTA_EXCEEDED is refused.value.failure.reason
