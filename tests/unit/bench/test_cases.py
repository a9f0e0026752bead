"""The matrix, and the choice from it."""

from __future__ import annotations

import pytest

from bench.cases import ARRAYS, CASES, OURS, PEERS, RATES, SMOKE, STREAM_RATES, TOP, chosen
from bench.targets import TARGETS
from tests.unit.bench.made import results, sample


def test_case_names_are_unique() -> None:
    """A sample names its case by this alone."""
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_rates_are_taken_from_cases_that_come_before() -> None:
    """A part of a top rate needs the top rate."""
    seen: set[str] = set()
    for case in CASES:
        assert case.rate is None or not case.rate.of_case or case.rate.of_case in seen
        seen.add(case.name)


def test_named_cases_exist() -> None:
    """Charts and targets look for cases that are there."""
    named = {TOP, *ARRAYS.values(), *RATES.values(), *STREAM_RATES.values()}
    assert set() == named - {case.name for case in CASES}


def test_choice_is_by_the_beginning_of_the_name_or_all_of_it() -> None:
    """`rest-array-100` is two cases and more, `=rest-array-100` one."""
    assert {"rest-array-100", "rest-array-1000", "rest-array-100-1KiB"} == {
        case.name for case in chosen(("rest-array-100",), ())
    }
    assert ["rest-array-100"] == [case.name for case in chosen(("=rest-array-100",), ())]


def test_chosen_case_brings_the_one_it_takes_its_rate_from() -> None:
    """Half of a top rate cannot be had without the top rate."""
    assert [TOP, "rest-single-at-half"] == [case.name for case in chosen(("rest-single-at-half",), ())]


def test_choice_of_systems_leaves_out_cases_without_them() -> None:
    """What is left of a case is what was asked for."""
    cases = chosen((), ("bento",))
    assert cases
    assert {("bento",)} == {case.systems for case in cases}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_short_run_measures_what_every_target_needs(target: object) -> None:
    """With a sample of each case and system of the short run, each target has a figure."""
    cases = chosen(SMOKE, ())
    made = results([sample(case.name, system) for case in cases for system in case.systems])
    assert {OURS, *PEERS} <= {system for case in cases for system in case.systems}
    assert target.figure(made) is not None  # type: ignore[attr-defined] # pytest hands it over untyped
