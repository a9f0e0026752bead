"""The judge: compares what callers were told with what the log holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.brokers.ledger import StoredRecord
from tests.faults.journal import Acknowledged, Attempt, Failed, SentRecord, Unanswered

__all__ = ["Verdict", "judged"]

_SHOWN_MAX = 5


@dataclass(slots=True)
class Verdict:
    """Where the log and the answers disagree; each entry names a record.

    Attributes:
        lost: acknowledged, and not in the log where the answer said.
        duplicated: in the log more than once, whatever the answer was.
        altered: in the log with another key, other headers, another partition or another time than sent.
        mistimed: in the log with another time than told.
        denied: answered with `delivered: no`, and in the log.
        strange: in the log, and never sent.
        disordered: behind a later record of the same key.
        unanswered: in the log, and the caller was told nothing. No disagreement by itself.
    """

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    mistimed: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    @property
    def disagreements(self) -> dict[str, list[str]]:
        """What is not as promised, by kind, a few of each; empty where all is well."""
        kinds = {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "altered": self.altered,
            "mistimed": self.mistimed,
            "denied": self.denied,
            "strange": self.strange,
            "disordered": self.disordered,
        }
        return {kind: records[:_SHOWN_MAX] for kind, records in kinds.items() if records}


def judged(attempts: Iterable[Attempt], log: Iterable[StoredRecord]) -> Verdict:
    """Compare `attempts` with `log`, which holds all of the topics that they wrote to."""
    attempts = list(attempts)
    copies: defaultdict[tuple[str, bytes | None], list[StoredRecord]] = defaultdict(list)
    for stored in log:
        copies[stored.topic, stored.value].append(stored)
    verdict = Verdict()
    known = set()
    for attempt in attempts:
        for record, outcome in zip(attempt.records, attempt.outcomes, strict=True):
            known.add((record.topic, record.value))
            found = copies.get((record.topic, record.value), [])
            name = f"{record.topic} {record.value[:80]!r}: {outcome}, in the log: {found}"
            if isinstance(outcome, Unanswered) and found:
                verdict.unanswered.append(name)
            if len(found) > 1:
                verdict.duplicated.append(name)
            if isinstance(outcome, Failed) and outcome.delivered == "no" and found:
                verdict.denied.append(name)
            if isinstance(outcome, Acknowledged) and not any(_at(outcome, stored) for stored in found):
                verdict.lost.append(name)
            if not all(_same(record, stored) for stored in found):
                verdict.altered.append(name)
            if isinstance(outcome, Acknowledged) and not all(
                _timed(outcome, stored, attempt) for stored in found if _at(outcome, stored)
            ):
                verdict.mistimed.append(name)
    verdict.strange.extend(str(found) for place, found in copies.items() if place not in known)
    verdict.disordered.extend(_disordered(attempts, copies))
    return verdict


def _at(outcome: Acknowledged, stored: StoredRecord) -> bool:
    return (outcome.partition, outcome.offset) == (stored.partition, stored.offset)


def _timed(outcome: Acknowledged, stored: StoredRecord, attempt: Attempt) -> bool:
    # To a batch that was sent again, a broker answers with the batch's latest time instead of each record's own.
    return abs(outcome.timestamp - stored.timestamp) <= attempt.took_s * 1000


def _same(record: SentRecord, stored: StoredRecord) -> bool:
    return (
        (record.key, record.headers) == (stored.key, stored.headers)
        and record.partition in {None, stored.partition}
        and record.timestamp in {None, stored.timestamp}
    )


def _disordered(
    attempts: Sequence[Attempt], copies: dict[tuple[str, bytes | None], list[StoredRecord]]
) -> Iterable[str]:
    """Name the records that stand in the log before one that was sent earlier.

    What counts are the records of one request, acknowledged or not, and those that a caller sent after it had the
    acknowledgement of the one before. Of what was answered with `unknown`, nobody can tell when it gets to the log.
    """
    last: dict[tuple[str, bytes, int], int] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.began_at):
        within: dict[tuple[str, bytes, int], int] = {}
        for record, outcome in zip(attempt.records, attempt.outcomes, strict=True):
            for stored in copies.get((record.topic, record.value), [])[:1]:
                if record.key is None:
                    continue
                lane = (record.topic, record.key, stored.partition)
                settled = isinstance(outcome, Acknowledged)
                if stored.offset <= within.get(lane, -1) or (settled and stored.offset <= last.get(lane, -1)):
                    yield f"{record.topic} {record.value[:80]!r} at {stored.partition}/{stored.offset}"
                within[lane] = stored.offset
                if settled:
                    last[lane] = max(stored.offset, last.get(lane, -1))
