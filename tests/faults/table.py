"""The table of a run: what each fault did to the load, and what the judge says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.journal import Acknowledged, Attempt, Failed, Unanswered
from tests.faults.judge import Verdict

__all__ = ["Row", "rendered", "worst_gap_s"]

_HEAD = (
    "Fault",
    "Requests",
    "Records acknowledged",
    "Failed, by reason",
    "Unknown",
    "Lost",
    "Duplicated",
    "Worst time without service",
    "Time to recovery",
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault did.

    Attributes:
        fault: its number and name.
        attempts: every request of the test.
        verdict: the judge's.
        gap_s: the longest time that one caller under load was not served; `None` where no load ran.
        recovery_s: from the moment the fault was over until every caller was served again; `None` where that says
            nothing.
    """

    fault: str
    attempts: Sequence[Attempt]
    verdict: Verdict
    gap_s: float | None = None
    recovery_s: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the row's text, in the order of the head."""
        outcomes = [outcome for attempt in self.attempts for outcome in attempt.outcomes]
        failed = Counter(outcome.reason for outcome in outcomes if isinstance(outcome, Failed))
        unanswered = sum(isinstance(outcome, Unanswered) for outcome in outcomes)
        unknown = unanswered + sum(
            isinstance(outcome, Failed) and outcome.delivered == "unknown" for outcome in outcomes
        )
        reasons = [f"{reason} {count}" for reason, count in failed.most_common()]
        if unanswered:
            reasons.append(f"no answer {unanswered}")
        return (
            self.fault,
            str(len(self.attempts)),
            str(sum(isinstance(outcome, Acknowledged) for outcome in outcomes)),
            ", ".join(reasons) or "none",
            str(unknown),
            str(len(self.verdict.lost)),
            str(len(self.verdict.duplicated)),
            _seconds(self.gap_s),
            _seconds(self.recovery_s),
        )


def rendered(rows: Sequence[Row]) -> str:
    """Return `rows` as a Markdown table, in the order of their names."""
    cells = [_HEAD, *(row.cells() for row in sorted(rows, key=lambda row: row.fault))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def worst_gap_s(attempts: Sequence[Attempt]) -> float:
    """Return the longest time, in seconds, that a caller of `attempts` had no acknowledgement.

    It counts from the caller's first request to its last answer. A caller is as good as a key, and so a partition.
    """
    by_caller: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_caller[attempt.caller].append(attempt)
    return max(map(_gap_s, by_caller.values()))


def _gap_s(attempts: Sequence[Attempt]) -> float:
    served_at = [attempt.ended_at for attempt in attempts if attempt.acknowledged]
    marks = [attempts[0].began_at, *served_at, attempts[-1].ended_at]
    return max(later - sooner for sooner, later in pairwise(marks))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"
