"""What a line of the input is."""

from __future__ import annotations

import json

import pytest

from twinpost.client import Delivered, Record, RecordError
from twinpost_server.feed.formats import Format, JsonLines, MessageLines, PlainLines

PLAIN = PlainLines("t", b"k", 3, (("h", b"1"), ("h", b"2")))


def refused(form: Format, line: bytes) -> str:
    """Return why `line` is refused."""
    with pytest.raises(RecordError) as raised:
        form.record(line)
    assert ("INVALID_RECORD", Delivered.NO, False) == (
        raised.value.reason,
        raised.value.delivered,
        raised.value.retriable,
    )
    return raised.value.message


class TestPlainLines:
    """`--format lines`."""

    @pytest.mark.parametrize("line", [b"hello", b"", b" \t", b"\xff\x00", b'{"a": 1}'])
    def test_line_is_the_value_whatever_it_is(self, line: bytes) -> None:
        """Also where it is blank, or no text."""
        assert Record("t", line, key=b"k", partition=3, headers=(("h", b"1"), ("h", b"2"))) == PLAIN.record(line)

    def test_without_flags_a_record_has_a_value_alone(self) -> None:
        """No key is not an empty key."""
        assert Record("t", b"x") == PlainLines("t").record(b"x")


class TestJsonLines:
    """`--format ndjson`."""

    @pytest.mark.parametrize("line", [b'{"a": 1}', b"[1, 2]", b"null", b' "text" ', b"1e400", '{"ü": "κ"}'.encode()])
    def test_document_is_the_value_as_it_stands(self, line: bytes) -> None:
        """Not as it would be written anew."""
        assert Record("t", line, key=b"k", partition=3, headers=PLAIN.headers) == JsonLines(PLAIN).record(line)

    @pytest.mark.parametrize("form", [JsonLines(PLAIN), JsonLines(PlainLines("t"), "id"), MessageLines("t")])
    @pytest.mark.parametrize("line", [b"", b"  \t\r"])
    def test_blank_line_is_no_document(self, form: Format, line: bytes) -> None:
        """It is passed over."""
        assert form.record(line) is None

    @pytest.mark.parametrize("line", [b"{", b"{} {}", b"nope", b"\xff", b'"\xff"', b"'a'"])
    def test_what_is_no_document_is_refused(self, line: bytes) -> None:
        """Nobody who reads the topic has to find out."""
        assert "not JSON as expected" in refused(JsonLines(PLAIN), line)

    @pytest.mark.parametrize(
        ("document", "key"),
        [
            ('{"id": "ü\\n"}', "ü\n".encode()),
            ('{"id": ""}', b""),
            ('{"x": {"id": 1}, "id": 12}', b"12"),
            ('{"id": 1e3}', b"1e3"),
            ('{"id": 12345678901234567890123}', b"12345678901234567890123"),
            ('{"id": true}', b"true"),
        ],
    )
    def test_field_is_the_key(self, document: str, key: bytes) -> None:
        """Text as its UTF-8, a number as it is written."""
        record = JsonLines(PlainLines("t"), "id").record(document.encode())
        assert Record("t", document.encode(), key=key) == record

    @pytest.mark.parametrize(
        ("document", "problem"),
        [
            ("{}", "has no field 'id'"),
            ('{"id": null}', "the field 'id' is no key: expected a string, a number, true or false"),
            ('{"id": [1]}', "the field 'id' is no key"),
            ('{"id": {}}', "the field 'id' is no key"),
            ("[]", "Expected `object`, got `array`"),
            ('{"id": "\\ud800"}', "not JSON as expected"),
        ],
    )
    def test_document_without_the_key_is_refused(self, document: str, problem: str) -> None:
        """Without a key its order would be lost in silence."""
        assert problem in refused(JsonLines(PlainLines("t"), "id"), document.encode())


class TestMessageLines:
    """`--format messages`."""

    def test_message_has_what_the_rest_contract_knows(self) -> None:
        """All of it."""
        message = {
            "topic": "t",
            "partition": 2,
            "timestamp": 5,
            "key": "κ",
            "value": "v",
            "headers": [{"key": "h", "value": "1"}, {"key": "h", "value": ""}],
        }
        assert Record("t", "v", key="κ", partition=2, timestamp=5, headers=[("h", "1"), ("h", "")]) == MessageLines(
            "t"
        ).record(json.dumps(message).encode())

    def test_tombstone_and_empty_value_are_two_things(self) -> None:
        """As in the contract."""
        form = MessageLines("t")
        assert [Record("t", None, headers=[]), Record("t", "", key="", headers=[])] == [
            form.record(b'{"value": null}'),
            form.record(b'{"value": "", "key": ""}'),
        ]

    def test_name_in_a_text_is_no_name(self) -> None:
        """The fast reading doubts it, the slow one knows."""
        record = MessageLines("t").record(b'{"value": "value", "key": "key"}')
        assert Record("t", "value", key="key", headers=[]) == record

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            (b'{"valu": "x"}', "valu: unknown field: did you mean 'value'?"),
            (b'{"value": 5}', "value:"),
            (b'{"value": "x", "value": "y"}', "value:"),
            (b'{"value": "x", "topic": "u"}', "topic:"),
            (b'[{"value": "x"}]', "expected one message on each line, not an array"),
            (b'[{"value": "x"}, {"value": "y"}]', "expected one message on each line, not an array"),
            (b'{"valu": "x", "kye": "y"}', "valu: unknown field: did you mean 'value'?; "),
            (b"nope", "JSON"),
        ],
    )
    def test_what_the_contract_refuses_is_refused_here(self, line: bytes, problem: str) -> None:
        """With its words."""
        message = refused(MessageLines("t"), line)
        assert problem in message
        assert "nothing was written" not in message
