"""The way to a gateway."""

from __future__ import annotations

import pytest

from twinpost.client import Tls
from twinpost.client.connection import credentials


def test_nobody_sends_no_credentials() -> None:
    """For gateways that let everyone in."""
    assert () == credentials(None, None)


def test_credentials_are_those_of_http_basic() -> None:
    """In UTF-8, and a password may have what it likes."""
    assert (("authorization", "Basic Y2xlcms6UGE6c3Mgd8O2cmQ="),) == credentials("clerk", "Pa:ss wörd")


@pytest.mark.parametrize(("user", "password"), [("clerk", None), (None, "secret"), ("a:b", "secret")])
def test_half_a_credential_is_refused(user: str | None, password: str | None) -> None:
    """Before anything is sent; the password is not in the message."""
    with pytest.raises(ValueError, match="belong together") as raised:
        credentials(user, password)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("half", [{"private_key": b"x"}, {"certificate_chain": b"x"}])
def test_half_a_client_certificate_is_refused(half: dict[str, bytes]) -> None:
    """A key without its certificate, or the other way round."""
    with pytest.raises(ValueError, match="belong together"):
        Tls(**half)
