"""A run: the cases, round by round, on the systems as they are needed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack

from bench.case import Case
from bench.load_generator import LoadFailed, Timing
from bench.results import Results
from bench.sample import Sample
from bench.systems.system import System, Unavailable

__all__ = ["Run"]

Listener = Callable[[Sample], None]


class Run:
    """Measures cases and collects their samples in `results`."""

    def __init__(
        self, factories: Mapping[str, Callable[[], System]], results: Results, timing: Timing, *, rounds: int
    ) -> None:
        """Measure `rounds` rounds of each case, on systems that `factories` make."""
        self._factories = factories
        self._results = results
        self._timing = timing
        self._rounds = rounds

    def measure(self, cases: Iterable[Case], listener: Listener) -> None:
        """Measure `cases`, one after the other; `listener` is told each sample at once.

        Systems are started when a case needs them, and those that it does not need are stopped first: an idle system
        is not quite idle.
        """
        running: dict[str, System] = {}
        with ExitStack() as stack:
            for case in cases:
                for name in [name for name in running if name not in case.systems]:
                    running.pop(name).close()
                for name in case.systems:
                    if name not in running and name not in self._results.unavailable:
                        self._start(name, running, stack)
                self._measure(case, running, listener)

    def _start(self, name: str, running: dict[str, System], stack: ExitStack) -> None:
        try:
            system = self._factories[name]()
        except Unavailable as error:
            self._results.unavailable[name] = str(error)
            return
        running[name] = system
        # Closed here only if no case has done so before.
        stack.callback(lambda: running.pop(name).close() if running.get(name) is system else None)
        self._results.versions[name] = system.version

    def _measure(self, case: Case, running: Mapping[str, System], listener: Listener) -> None:
        order = [name for name in case.systems if name in running]
        for number in range(1, self._rounds + 1):
            for name in order if number % 2 else reversed(order):
                sample = self._sample(case, name, running[name], number)
                self._results.samples.append(sample)
                listener(sample)

    def _sample(self, case: Case, name: str, system: System, number: int) -> Sample:
        rate_per_s = self._rate_per_s(case, name)
        try:
            outcome, usage = system.measure(case, self._timing, rate_per_s=rate_per_s)
        except LoadFailed as error:
            return Sample(
                case=case.name,
                system=name,
                round=number,
                rate_per_s=rate_per_s,
                requests=0,
                records=0,
                seconds=self._timing.measure_s,
                cpu_s={},
                rss_bytes={},
                latency_us={},
                errors=1,
                error=str(error),
            )
        return Sample(
            case=case.name,
            system=name,
            round=number,
            rate_per_s=rate_per_s,
            requests=outcome.requests,
            records=outcome.records,
            seconds=outcome.seconds,
            cpu_s=usage.cpu_s,
            rss_bytes=usage.rss_bytes,
            latency_us=outcome.latency_us,
            errors=outcome.errors,
            error=outcome.error,
        )

    def _rate_per_s(self, case: Case, name: str) -> float | None:
        if case.rate is None:
            return None
        if case.rate.of_top is None:
            return case.rate.requests_per_s
        top = statistics.median(s.requests_per_s for s in self._results.of(case.rate.of_case, name).values())
        return round(case.rate.of_top * top, 1)
