"""The corpus: requests, and what must come of each through every door that can carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.gateway.users import CLERK, MYUSER, User

__all__ = ["CORPUS", "ODD_TEXTS", "Case", "Message", "Refusal"]

MIB = 1024 * 1024
EVERY_BYTE = bytes(range(256))
INT64_MAX = 2**63 - 1

ODD_TEXTS = {
    "plain": "hello_kafka",
    "slash": "a/b",
    "escaped slash": "a%2Fb",
    "double escape": "%252F %25",
    "leading slash": "/a",
    "trailing slash": "a/",
    "two trailing slashes": "a//",
    "slashes only": "//",
    "inner double slash": "a//b",
    "parent": "../x",
    "dot dot": "..",
    "dot": ".",
    "dots inside": "a/../../b/./c",
    "time": "12:30",
    "colon": ":",
    "verb": "produce:cancel",
    "plus": "a+b",
    "space": " a b ",
    "json": '{"a":1}',
    "braces": "{topic}",
    "star": "**",
    "query": "a?key=b&c=d",
    "fragment": "a#b",
    "backslash": "a\\b\\..\\c",
    "emoji": "🐘 na\u0308ive",
    "nul": "a\0b",
    "control": "\x01\r\n\t\x7f",
    "line separators": "\u0085\u2028\u2029\ufeff",
    "noncharacter": "\uffff\U0010ffff",
    "percent": "100%",
    "bad escape": "%zz%",
    "semicolon": ";a=b;c",
    "quotes": "\"'`",
    "empty": "",
    "long": "0123456789" * 1000,
}
"""Texts that paths, JSON, C strings and percent-encoding have been known to lose, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record in bytes, as gRPC has it; what is text all through, REST can carry too."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None
    timestamp: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether JSON can carry it: every payload UTF-8, no header null."""
        if any(value is None for _, value in self.headers):
            return False
        payloads = [self.value, self.key, *(value for _, value in self.headers)]
        try:
            for payload in payloads:
                bytes(payload or b"").decode()
        except UnicodeDecodeError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a refused request is answered with. None of the corpus's refusals leaves anything in the log.

    Attributes:
        reason: the machine's word.
        http: the REST status, by spec.
        grpc: the gRPC code, by the contract's own comments.
        retriable: whether the same request may succeed later.
        violations: how many places are named.
    """

    reason: str
    http: int
    grpc: str
    retriable: bool = False
    violations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request.

    Attributes:
        messages: in order; each goes to the case's topic.
        refusal: what it is refused with; `None` where every message is stored.
        topic: the topic, where it is not a new one made for the case.
        topic_config: settings of the new topic.
        user: who asks.
    """

    messages: tuple[Message, ...]
    refusal: Refusal | None = None
    topic: str | None = None
    topic_config: Mapping[str, str] = field(default_factory=dict)
    user: User | None = MYUSER


def _invalid(places: int = 1) -> Refusal:
    return Refusal(reason="INVALID_RECORD", http=400, grpc="INVALID_ARGUMENT", violations=places)


_UNAUTHENTICATED = Refusal(reason="UNAUTHENTICATED", http=401, grpc="UNAUTHENTICATED")
_FORBIDDEN = Refusal(reason="TOPIC_FORBIDDEN", http=403, grpc="PERMISSION_DENIED")
_HELLO = Message(value=b"hello")

CORPUS: Mapping[str, Case] = {
    **{f"text {name}": Case(messages=(Message(value=text.encode()),)) for name, text in ODD_TEXTS.items()},
    **{f"key {name}": Case(messages=(Message(value=b"v", key=text.encode()),)) for name, text in ODD_TEXTS.items()},
    "headers of odd texts": Case(
        messages=(
            Message(
                value=b"v",
                # A header's name cannot hold NUL.
                headers=tuple((text.replace("\0", ""), text.encode()) for text in ODD_TEXTS.values()),
            ),
        )
    ),
    "headers in order with duplicates": Case(
        messages=(Message(value=b"v", headers=(("z", b"1"), ("a", b"2"), ("z", b"1"), ("", b""), ("a", b"0"))),)
    ),
    "a thousand headers": Case(messages=(Message(value=b"v", headers=tuple(("h", b"%d" % n) for n in range(1000))),)),
    "header without value": Case(messages=(Message(value=b"v", headers=(("a", None), ("a", b""), ("b", None))),)),
    "every byte": Case(messages=(Message(value=EVERY_BYTE, key=EVERY_BYTE, headers=(("b", EVERY_BYTE),)),)),
    "bytes that are not utf-8": Case(messages=(Message(value=b"\xff\xfe", key=b"\xc0\x80"),)),
    "tombstone": Case(messages=(Message(value=None, key=b"gone"),)),
    "null value without key": Case(messages=(Message(value=None),)),
    "empty value and empty key": Case(messages=(Message(value=b"", key=b""),)),
    "explicit partitions": Case(
        messages=tuple(Message(value=b"%d" % n, key=b"same", partition=n) for n in (3, 0, 2, 1))
    ),
    "explicit timestamps": Case(
        messages=(Message(value=b"v", timestamp=1), Message(value=b"v", timestamp=1637745834756))
    ),
    "timestamps that no double can hold": Case(
        messages=tuple(Message(value=b"v", timestamp=t) for t in (2**53 + 1, INT64_MAX - 1, INT64_MAX)),
        topic_config={"message.timestamp.after.max.ms": str(INT64_MAX), "retention.ms": "-1"},
    ),
    "everything at once": Case(
        messages=(
            Message(
                value=b"hello_kafka",
                key=b"mykey",
                headers=(("signature", b"abcd"),),
                partition=1,
                timestamp=1637745834756,
            ),
        )
    ),
    "nothing": Case(messages=()),
    "a mixed array": Case(
        messages=(
            Message(value=b"first"),
            Message(value=None, key=b"k"),
            Message(value=b"", key=b"k", headers=(("a", b"1"),)),
            Message(value="ünï".encode(), partition=2),
            Message(value=b"last", key=b"k", timestamp=1637745834756),
        )
    ),
    "a million bytes": Case(messages=(Message(value=b"x" * 1_000_000),)),
    "a million bytes of escapes": Case(messages=(Message(value="é".encode() * 250_000 + b"\n" * 500_000),)),
    "sixteen records of half a megabyte": Case(messages=tuple(Message(value=b"%x" % n * 500_000) for n in range(16))),
    "ten thousand records": Case(messages=tuple(Message(value=b"%d" % n, key=b"%d" % (n % 97)) for n in range(10_000))),
    "topic granted by prefix": Case(messages=(_HELLO,), topic="orders.eu", user=CLERK),
    # What follows is refused, and nothing of it is written.
    "partition out of range": Case(
        messages=(_HELLO, Message(value=b"v", partition=4)),
        refusal=Refusal(reason="PARTITION_OUT_OF_RANGE", http=400, grpc="INVALID_ARGUMENT"),
    ),
    "largest partition number": Case(
        messages=(Message(value=b"v", partition=2**31 - 1),),
        refusal=Refusal(reason="PARTITION_OUT_OF_RANGE", http=400, grpc="INVALID_ARGUMENT"),
    ),
    "partition below zero": Case(messages=(_HELLO, Message(value=b"v", partition=-1)), refusal=_invalid()),
    "timestamp zero": Case(messages=(_HELLO, Message(value=b"v", timestamp=0)), refusal=_invalid()),
    "timestamp below zero": Case(messages=(_HELLO, Message(value=b"v", timestamp=-1)), refusal=_invalid()),
    "timestamp the broker refuses": Case(
        messages=(_HELLO, Message(value=b"v", timestamp=INT64_MAX)),
        refusal=Refusal(reason="INVALID_TIMESTAMP", http=400, grpc="INVALID_ARGUMENT", violations=1),
    ),
    "no key where the topic demands one": Case(
        messages=(Message(value=b"v", key=b""), _HELLO),
        refusal=_invalid(),
        topic_config={"cleanup.policy": "compact"},
    ),
    "several rules broken": Case(
        messages=(
            _HELLO,
            Message(value=b"v", partition=-5, timestamp=0),
            Message(value=b"v", headers=(("a\0b", b"v"),)),
        ),
        refusal=_invalid(3),
    ),
    "more broken rules than are named": Case(
        messages=tuple(Message(value=b"v", partition=-1) for _ in range(150)), refusal=_invalid(100)
    ),
    "too many headers": Case(messages=(Message(value=b"v", headers=(("h", b""),) * 1001),), refusal=_invalid()),
    "record over a mebibyte": Case(
        messages=(_HELLO, Message(value=b"x" * MIB, key=b"k"), _HELLO),
        refusal=Refusal(reason="RECORD_TOO_LARGE", http=413, grpc="INVALID_ARGUMENT", violations=1),
    ),
    "record over the topic's limit": Case(
        messages=(Message(value=b"x" * 20_000),),
        refusal=Refusal(reason="RECORD_TOO_LARGE", http=413, grpc="INVALID_ARGUMENT"),
        topic_config={"max.message.bytes": "10000"},
    ),
    "10 001 records": Case(
        messages=(_HELLO,) * 10_001,
        refusal=Refusal(reason="REQUEST_TOO_LARGE", http=413, grpc="INVALID_ARGUMENT"),
    ),
    "topic that does not exist": Case(
        messages=(_HELLO,),
        topic="no-such-topic",
        refusal=Refusal(reason="TOPIC_NOT_FOUND", http=404, grpc="NOT_FOUND"),
    ),
    **{
        f"topic name {name}": Case(messages=(_HELLO,), topic=topic, refusal=_invalid())
        for name, topic in {
            "with slash": "a/b",
            "dot": ".",
            "dot dot": "..",
            "with space": "a b",
            "with nul": "a\0",
            "not ascii": "ä",
            "too long": "a" * 250,
        }.items()
    },
    "topic not granted": Case(messages=(_HELLO,), topic="invoices", user=CLERK, refusal=_FORBIDDEN),
    "topic almost granted": Case(messages=(_HELLO,), topic="orders", user=CLERK, refusal=_FORBIDDEN),
    "no credentials": Case(messages=(_HELLO,), user=None, refusal=_UNAUTHENTICATED),
    "wrong password": Case(messages=(_HELLO,), user=User("myuser", "wrong"), refusal=_UNAUTHENTICATED),
    "empty password": Case(messages=(_HELLO,), user=User("myuser", ""), refusal=_UNAUTHENTICATED),
    "unknown user": Case(messages=(_HELLO,), user=User("nobody", "mypass"), refusal=_UNAUTHENTICATED),
}
"""The cases by name."""
