"""The credentials of HTTP Basic."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.errors import Delivered, Reason, RequestFailed
from twinpost_server.security.basic import AUTHORIZATION_LENGTH_MAX, Credentials, parse


def encoded(credentials: str | bytes) -> str:
    """Return the base64 of `credentials`."""
    return b64encode(credentials if isinstance(credentials, bytes) else credentials.encode()).decode()


@pytest.mark.parametrize(
    ("credentials", "name", "password"),
    [
        ("myuser:mypass", "myuser", "mypass"),
        ("clerk:Pa:ss:wörd", "clerk", "Pa:ss:wörd"),
        ("jürgen:", "jürgen", ""),
        (":x", "", "x"),
        ("a b:c d", "a b", "c d"),
    ],
)
def test_first_colon_divides_name_and_password(credentials: str, name: str, password: str) -> None:
    """A password may have colons, a name none (RFC 7617, section 2)."""
    assert Credentials(name, password.encode()) == parse(f"Basic {encoded(credentials)}")


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_scheme_is_read_in_any_case(scheme: str) -> None:
    """Schemes have no case (RFC 9110, section 11.1)."""
    assert "myuser" == parse(f"{scheme} {encoded('myuser:mypass')}").name


def test_blanks_around_the_parts_do_no_harm() -> None:
    """More than one blank may follow the scheme (RFC 9110, section 11.4)."""
    assert "myuser" == parse(f"  Basic   {encoded('myuser:mypass')} ").name


def test_password_need_not_be_text() -> None:
    """What a client sends in Latin-1 is a wrong password, not a malformed header."""
    assert b"\xff\xfe" == parse(f"Basic {encoded(b'myuser:' + bytes([255, 254]))}").password


@pytest.mark.parametrize(
    ("authorization", "problem"),
    [
        (None, "no credentials"),
        ("", "no credentials"),
        ("Bearer abc", "not of the scheme Basic"),
        ("Basicbxl1", "not of the scheme Basic"),
        ("Basic", "have no colon"),
        ("Basic !!!!", "not base64"),
        ("Basic bXl1c2VyOm15cGFzcw", "not base64"),
        ("Basic bXl1 c2VyOm15cGFzcw==", "not base64"),
        ("Basic ünïcödé", "not base64"),
        ("Basic \ud800", "not base64"),
        (f"Basic {encoded('myuser')}", "have no colon"),
        (f"Basic {encoded(bytes([255]) + b':x')}", "not UTF-8"),
        ("Basic " + "A" * AUTHORIZATION_LENGTH_MAX, "8198 characters, more than the limit of 8192"),
    ],
)
def test_what_is_no_basic_is_refused_with_its_problem(authorization: str | None, problem: str) -> None:
    """The answer says what is wrong with the header, and repeats nothing of it."""
    with pytest.raises(RequestFailed) as refusal:
        parse(authorization)
    failure = refusal.value.failure
    assert (Reason.UNAUTHENTICATED, Delivered.NO) == (failure.reason, failure.delivered)
    assert problem in failure.message
    assert authorization is None or len(authorization) < 20 or authorization[10:] not in failure.message


@given(st.none() | st.text() | st.text().map("Basic {}".format) | st.binary().map(lambda b: f"Basic {encoded(b)}"))
def test_no_header_raises_anything_but_a_refusal(authorization: str | None) -> None:
    """Whatever comes is read or refused."""
    with suppress(RequestFailed):
        parse(authorization)


@given(
    name=st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"])),
    password=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_what_was_encoded_comes_back(name: str, password: str) -> None:
    """Names and passwords of every script survive."""
    assert Credentials(name, password.encode()) == parse(f"Basic {encoded(f'{name}:{password}')}")
