"""Request targets: whatever a message and a key hold, and however they are encoded, they arrive as they were."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.core.errors import RequestFailed
from twinpost_server.rpc.rest_target import RestTarget, parse_target

UNRESERVED = string.ascii_letters + string.digits + "-._~"
# RFC 3986, 3.3 and 3.4: what may stand raw in a path, with the slash between its segments, and in a query.
RAW_IN_PATH = frozenset((UNRESERVED + "!$&'()*+,;=:@/").encode())
RAW_IN_QUERY = RAW_IN_PATH | frozenset(b"?")
TOPICS = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=20).filter(
    lambda topic: topic not in {".", ".."}
)
# Characters that mean something in a URL come often, among all the others.
TEXT = st.text(st.one_of(st.sampled_from("/+%&=?#;. ab\\:{}\"'\0\n"), st.characters(codec="utf-8")), max_size=30)


@st.composite
def encoded(draw: st.DrawFn, text: str, raw: frozenset[int], *, form: bool = False) -> str:
    """Draw one of the legal ways to write `text`, byte by byte."""
    pieces = []
    for byte in text.encode():
        spellings = [f"%{byte:02X}", f"%{byte:02x}"]
        if form and byte == ord(" "):
            spellings.append("+")
        elif byte in raw and not (form and byte in b"+&"):
            spellings.append(chr(byte))
        pieces.append(draw(st.sampled_from(spellings)))
    return "".join(pieces)


@given(st.data(), TOPICS, TEXT, st.one_of(st.none(), TEXT))
def test_path_and_query_give_back_what_was_put_in(
    data: st.DataObject, topic: str, message: str, key: str | None
) -> None:
    """Every topic, message and key, in every legal spelling."""
    target = f"/produce/{data.draw(encoded(topic, RAW_IN_PATH))}/{data.draw(encoded(message, RAW_IN_PATH))}"
    if key is not None:
        name = data.draw(encoded("key", RAW_IN_QUERY, form=True))
        target += f"?{name}={data.draw(encoded(key, RAW_IN_QUERY, form=True))}"
    assert RestTarget(topic, message, key) == parse_target("GET", target, has_body=False)


@given(
    st.sampled_from(["GET", "POST", "", "PUT"]),
    st.one_of(
        st.text(st.characters(exclude_categories=[])),
        st.builds("/produce/{}".format, st.text(st.characters(exclude_categories=[]))),
        st.builds("/produce/t/{}?{}={}".format, st.text("ab%/=&+", max_size=9), TEXT, st.text("ab%/=&+", max_size=9)),
    ),
    st.booleans(),
)
def test_any_text_is_a_target_or_refused(method: str, target: str, has_body: bool) -> None:  # noqa: FBT001 - drawn
    """Nothing else ever comes of it, and no answer is much longer than what it is about."""
    try:
        found = parse_target(method, target, has_body=has_body)
    except RequestFailed as refused:
        assert refused.failure.message.encode()
        assert len(refused.failure.message) < 1000
    else:
        assert found.message is None or (found.topic is not None and not has_body)
