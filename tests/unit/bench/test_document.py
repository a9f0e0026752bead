"""The made parts of the document on performance, and its charts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.document import part
from tests.unit.bench.made import results, sample, scale_results, soak_results


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with the results of a small run."""
    results(
        [
            sample("rest-array-100", "twinpost", records_per_s=6000, cpu_us_per_record=12),
            sample("rest-array-100", "raw", records_per_s=3000, cpu_us_per_record=3),
            sample("rest-single-64", "twinpost"),
        ],
        versions={"twinpost": "1.2.3"},
        unavailable={"bento": "there is no `go` on PATH"},
        starts={"twinpost": [1.0, 3.0, 1.5]},
    ).write(tmp_path)
    return tmp_path


def test_run_part_tells_where_when_and_with_what(directory: Path) -> None:
    """Machine, day, command and versions, and what is missing with the reason."""
    told = part("run", directory)
    for said in ("2026-11-24", "`make bench`", "Some CPU @ 2 GHz, 2 cores", "twinpost 1.2.3", "there is no `go`"):
        assert said in told


def test_run_part_warns_of_errors(tmp_path: Path) -> None:
    """Figures of errors are no figures."""
    bad = msgspec.structs.replace(sample("c", "s"), errors=1, error="status 503")
    results([bad, sample("c", "s", number=2)]).write(tmp_path)
    assert "1 of 2 samples have errors" in part("run", tmp_path)


def test_cases_part_has_the_cases_of_that_beginning(directory: Path) -> None:
    """Each with its systems, and twinpost's ratios to the others."""
    told = part("cases rest-array", directory)
    assert "`rest-array-100`" in told
    assert "| raw | 3,000 | 3.0 | - | 2.00 | 5.00 | 10 | 2.00 (2.00 to 2.00) | 4.00 (4.00 to 4.00) | 1.00" in told
    assert "rest-single" not in told


def test_targets_part_has_every_target(directory: Path) -> None:
    """Measured or not."""
    assert "| not measured |" in part("targets", directory)


def test_starts_part_tells_medians(directory: Path) -> None:
    """With the extremes beside them."""
    assert "| twinpost | 1.50 | 1.00 | 3.00 |" in part("starts", directory)


def test_without_results_a_part_says_so(tmp_path: Path) -> None:
    """A document can be made before the first run."""
    assert "No figures yet: `make bench` takes them." == part("run", tmp_path)
    assert "No figures yet: `make bench-soak` takes them." == part("soak", tmp_path)
    assert "No figures yet: `make bench-scale` takes them." == part("scale topics", tmp_path)


def test_soak_part_tells_how_memory_grew(tmp_path: Path) -> None:
    """In MiB an hour, the first quarter left out."""
    soak_results().write(tmp_path)
    assert "| workers | 10.0 | 51.0 | 56.0 | +60.00 |" in part("soak", tmp_path)


def test_scale_part_tells_what_each_further_one_takes(tmp_path: Path) -> None:
    """Of memory, from the first point to the last; other figures stand for themselves."""
    scale_results().write(tmp_path)
    told = part("scale users", tmp_path)
    assert "| 1,001 | 12 | 2.5 |" in told
    assert "| each further | 2.0 KiB |  |" in told
    assert "No figures yet: `make bench-scale` takes them." == part("scale topics", tmp_path)


def test_unknown_part_is_refused(directory: Path) -> None:
    """A mistyped marker does not make an empty part."""
    with pytest.raises(ValueError, match="'ruin'"):
        part("ruin", directory)
