"""The results of the matrix: every sample of every case."""

from __future__ import annotations

import msgspec

from bench.result_file import ResultFile
from bench.sample import Sample
from bench.spread import Spread
from bench.usage import OTHERS

__all__ = ["Results"]


class Results(ResultFile, kw_only=True):
    """What a run of the matrix measured.

    Attributes:
        versions: what each system was, exactly.
        unavailable: systems that could not be had, and why.
        starts: how long systems took until they were ready, in seconds, each time.
        samples: everything that was measured, in order.
    """

    versions: dict[str, str] = msgspec.field(default_factory=dict)
    unavailable: dict[str, str] = msgspec.field(default_factory=dict)
    starts: dict[str, list[float]] = msgspec.field(default_factory=dict)
    samples: list[Sample] = msgspec.field(default_factory=list)

    def of(self, case: str, system: str) -> dict[int, Sample]:
        """Return the samples of `system` in `case`, by round."""
        return {sample.round: sample for sample in self.samples if (sample.case, sample.system) == (case, system)}

    @property
    def others_share(self) -> float | None:
        """The share of the machine that went to what is neither system, load nor broker, at the median of all samples.

        None where there are no samples.
        """
        spread = Spread.of(
            sample.beside_cpu_s[OTHERS] / (sample.seconds * self.machine.cores)
            for sample in self.samples
            if OTHERS in sample.beside_cpu_s
        )
        return None if spread is None else spread.median
