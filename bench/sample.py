"""A sample: what came of one load on one system in one round."""

from __future__ import annotations

import msgspec

from bench.case import Case
from bench.load_program import Outcome
from bench.usage import Usage

__all__ = ["Sample"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one load on one system in one round, as the file of results holds it.

    Attributes:
        requests: good answers within `seconds`.
        records: the records in them.
        rate_per_s: how many requests a second were to be sent; None where callers sent as fast as they got answers.
        cpu_s: processor time, user and system, that each part of the system took meanwhile.
        beside_cpu_s: what else took processor time meanwhile: the broker, the load generator, and everything else on
            the machine (`others`), which should be next to nothing.
        rss_bytes: the most memory that each part held meanwhile, as seen by looking again and again.
        latency_us: from the moment a request was to be sent to its answer, in microseconds: `p50`, `p99` and so on.
        unsent: requests that were never sent, since the system could not keep up with the rate; `latency_us` counts
            them with what they had waited so far.
        errors: answers that were not good, with the first of them in `error`.
    """

    case: str
    system: str
    round: int
    requests: int
    records: int
    seconds: float
    rate_per_s: float | None = None
    cpu_s: dict[str, float]
    beside_cpu_s: dict[str, float]
    rss_bytes: dict[str, int]
    latency_us: dict[str, float]
    unsent: int = 0
    errors: int = 0
    error: str = ""

    @classmethod
    def of(
        cls, case: Case, system: str, number: int, outcome: Outcome, usage: Usage, rate_per_s: float | None = None
    ) -> Sample:
        """Return what `outcome` and `usage` say of the load of `case` on `system` in round `number`."""
        return cls(
            case=case.name,
            system=system,
            round=number,
            rate_per_s=rate_per_s,
            cpu_s=usage.cpu_s,
            beside_cpu_s=usage.beside_cpu_s,
            rss_bytes=usage.rss_bytes,
            **msgspec.structs.asdict(outcome),
        )

    @property
    def requests_per_s(self) -> float:
        """Good answers each second."""
        return self.requests / self.seconds

    @property
    def records_per_s(self) -> float:
        """Records in good answers each second."""
        return self.records / self.seconds

    @property
    def cpu_us_per_record(self) -> float:
        """Processor time of the whole system for each record, in microseconds; infinite where there was none."""
        return sum(self.cpu_s.values()) * 1e6 / self.records if self.records else float("inf")

    @property
    def cpu_us_per_request(self) -> float:
        """Processor time of the whole system for each request, in microseconds; infinite where there was none."""
        return sum(self.cpu_s.values()) * 1e6 / self.requests if self.requests else float("inf")
