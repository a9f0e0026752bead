"""A run: the cases, round by round, on the systems as they are needed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from typing import Final

import msgspec

from bench.case import Case, Protocol
from bench.cluster import Cluster
from bench.load_program import LoadFailed, Outcome, Timing
from bench.results import Results
from bench.sample import Sample
from bench.systems.catalog import Catalog
from bench.systems.system import System, Unavailable
from bench.usage import Usage

__all__ = ["Run"]

_BROKER_WARM_UP: Final = ((1, Timing(warm_up_s=0, measure_s=10)), (2, Timing(warm_up_s=0, measure_s=4)))
"""Connections, and for how long. With one, raw sends a record a request, and the broker's way for requests gets hot;
with two it sends large batches, for what the broker does with records."""
_SYSTEM_WARM_UP: Final = Timing(warm_up_s=0, measure_s=1)

Listener = Callable[[Sample], None]


class Run:
    """Measures cases and collects their samples in `results`."""

    def __init__(self, catalog: Catalog, cluster: Cluster, results: Results, timing: Timing, *, rounds: int) -> None:
        """Measure `rounds` rounds of each case, on systems of `catalog`, which write to `cluster`."""
        self._catalog = catalog
        self._cluster = cluster
        self._results = results
        self._timing = timing
        self._rounds = rounds

    def measure(self, cases: Iterable[Case], listener: Listener) -> None:
        """Measure `cases`, one after the other; `listener` is told each sample at once.

        Systems are started when a case needs them, and those that it does not need are stopped first: an idle system
        is not quite idle.
        """
        self._warm_up_broker()
        running: dict[str, System] = {}
        with ExitStack() as stack:
            for case in cases:
                for name in [name for name in running if name not in case.systems]:
                    running.pop(name).close()
                for name in case.systems:
                    if name not in running and name not in self._results.unavailable:
                        self._start(name, case, running, stack)
                self._measure(case, running, listener)

    def _warm_up_broker(self) -> None:
        """Load the broker until its hottest code is compiled: else the first system would pay for that."""
        raw = self._catalog.start("raw")
        for connections, timing in _BROKER_WARM_UP:
            case = Case(name="warm-up", systems=("raw",), protocol=Protocol.REST, connections=connections)
            raw.load(case, timing, rate_per_s=None).run(raw.parts, {})

    def _start(self, name: str, case: Case, running: dict[str, System], stack: ExitStack) -> None:
        try:
            system = self._catalog.start(name)
        except (Unavailable, TimeoutError) as error:
            self._results.unavailable[name] = str(error)
            return
        running[name] = system
        # Closed here only if no case has done so before.
        stack.callback(lambda: running.pop(name).close() if running.get(name) is system else None)
        self._results.versions[name] = system.version
        # Passwords are checked, topics looked up and connections made the first time only. Where that fails the samples
        # will fail too, and say so.
        with suppress(LoadFailed):
            system.load(case, _SYSTEM_WARM_UP, rate_per_s=None).run(system.parts, {})

    def _measure(self, case: Case, running: Mapping[str, System], listener: Listener) -> None:
        order = [name for name in case.systems if name in running]
        for number in range(1, self._rounds + 1):
            for name in order if number % 2 else reversed(order):
                sample = self._sample(case, name, running[name], number)
                self._results.samples.append(sample)
                listener(sample)

    def _sample(self, case: Case, name: str, system: System, number: int) -> Sample:
        rate_per_s = self._rate_per_s(case, name)
        load = system.load(case, self._timing, rate_per_s=rate_per_s)
        written_before = self._cluster.topic.written()
        try:
            outcome, usage = load.run(system.parts, self._cluster.processes)
        except LoadFailed as error:
            outcome = Outcome(
                requests=0, records=0, seconds=self._timing.measure_s, latency_us={}, errors=1, error=str(error)
            )
            usage = Usage({}, {})
        sample = Sample.of(case, name, number, outcome, usage, rate_per_s)
        written = self._cluster.topic.written() - written_before
        if system.stores and written < outcome.records:
            lost = f"{outcome.records} records were acknowledged and {written} are in the topic"
            return msgspec.structs.replace(sample, errors=sample.errors + 1, error=lost)
        return sample

    def _rate_per_s(self, case: Case, name: str) -> float | None:
        if case.rate is None:
            return None
        if case.rate.of_top is None:
            return case.rate.requests_per_s
        answered = self._results.of(case.rate.of_case, name).values()
        top_per_s = statistics.median(sample.requests_per_s for sample in answered)
        # A system that answered nothing then is asked for something all the same, and fails again.
        return max(1.0, round(case.rate.of_top * top_per_s, 1))
