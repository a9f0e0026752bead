"""The judge itself: a suite that judges must be able to find something."""

from __future__ import annotations

from array import array

import psutil

from tests.ledger.account import KEYS, Account, Told, key_of, value_of
from tests.ledger.judge import Entry, Verdict, judged
from tests.ledger.memory import MemoryCurve


def account(*told: Told) -> Account:
    """Return an account of records that are stored at the offsets of their numbers."""
    made = Account(len(told))
    made.told = array("b", told)
    made.offsets = array("q", range(len(told)))
    return made


def entry(number: int, offset: int | None = None) -> Entry:
    """Return the record `number` in the log."""
    return 0, number if offset is None else offset, key_of(number), value_of(number)


def test_all_is_well_where_the_log_has_what_was_told() -> None:
    """Each once, at its place."""
    log = [entry(number) for number in range(3)]
    assert Verdict(acknowledged=3) == judged(account(Told.STORED, Told.STORED, Told.STORED), log)


def test_what_is_wrong_is_found() -> None:
    """Each kind."""
    told = (Told.STORED, Told.STORED, Told.NOT_STORED, Told.UNKNOWN, Told.STORED_MAYBE_TWICE, Told.NOTHING)
    log = [entry(1), entry(1, 7), entry(2), entry(3), entry(4), entry(4, 8), (0, 9, b"x", b"y"), (0, 10, b"1", b"0/")]
    assert Verdict(
        acknowledged=3,
        unknown=1,
        unknown_stored=1,
        lost=1,
        doubled=1,
        resent=1,
        resent_doubled=1,
        denied=1,
        strange=2,
        untold=1,
    ) == judged(account(*told), log)


def test_disorder_is_found() -> None:
    """Of one key, whatever lies between."""
    made = account(*[Told.STORED] * (KEYS + 1))
    made.offsets[KEYS] = 0
    made.offsets[0] = KEYS
    log = [entry(KEYS, 0), *(entry(number) for number in range(1, KEYS)), entry(0, KEYS)]
    assert Verdict(acknowledged=KEYS + 1, disordered=1) == judged(made, log)


def test_memory_that_grows_is_found() -> None:
    """Beyond what a process took while it was warming up, and for longer than a moment."""
    curve = MemoryCurve()
    curve.samples["flat"] = [(second, 100 + second % 2) for second in range(60)]
    curve.samples["for a moment"] = [(second, 900 if second in {30, 31} else 100) for second in range(60)]
    curve.samples["grows"] = [(second, 100 * second) for second in range(60)]
    assert [0, 0, 3800] == [curve.growth_bytes(name) for name in ("flat", "for a moment", "grows")]
    curve.sample({"this one": psutil.Process()})
    assert 13 + 1 == len(curve.table().splitlines())
