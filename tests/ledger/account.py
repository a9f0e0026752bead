"""The account: what a publisher was told of each of its records, in a few bytes for each."""

from __future__ import annotations

from array import array
from enum import IntEnum
from pathlib import Path

from twinpost.client import Delivered, RecordFuture

__all__ = ["KEYS", "Account", "Told", "key_of", "value_of"]

KEYS = 1000
"""How many keys there are; record n has key n modulo this."""

_VALUE_BYTES = 100


class Told(IntEnum):
    """What was told of a record."""

    NOTHING = 0
    STORED = 1
    STORED_MAYBE_TWICE = 2
    UNKNOWN = 3
    NOT_STORED = 4


def key_of(number: int) -> bytes:
    """Return the key of a record."""
    return b"%d" % (number % KEYS)


def value_of(number: int) -> bytes:
    """Return the value of a record: 100 bytes, unlike those of every other."""
    return (b"%d/" % number).ljust(_VALUE_BYTES, b".")


class Account:
    """What was told of each record, by its number from 0.

    Attributes:
        told: a `Told` for each.
        partitions: of those stored.
        offsets: likewise.
    """

    def __init__(self, records: int) -> None:
        """Begin with nothing told; all the memory it needs is taken at once."""
        self.told = array("b", bytes(records))
        self.partitions = array("i", bytes(4 * records))
        self.offsets = array("q", bytes(8 * records))

    def note(self, number: int, future: RecordFuture) -> None:
        """Note the outcome of record `number`."""
        error = future.exception()
        if error is not None:
            self.told[number] = Told.UNKNOWN if error.delivered is Delivered.UNKNOWN else Told.NOT_STORED
            return
        place = future.result()
        self.told[number] = Told.STORED_MAYBE_TWICE if place.maybe_duplicated else Told.STORED
        self.partitions[number] = place.partition
        self.offsets[number] = place.offset

    def write(self, path: Path) -> None:
        """Write it to `path`."""
        with path.open("wb") as file:
            for column in (self.told, self.partitions, self.offsets):
                column.tofile(file)

    @classmethod
    def read(cls, path: Path, records: int) -> Account:
        """Return what `write` wrote."""
        account = cls(0)
        with path.open("rb") as file:
            for column in (account.told, account.partitions, account.offsets):
                column.fromfile(file, records)
        return account
