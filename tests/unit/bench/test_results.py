"""The file of results."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bench.results import Results
from tests.unit.bench.made import results, sample


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Nothing is lost on the way through the file, and its name tells day and processor."""
    written = results([sample("rest-single-1", "twinpost")], starts={"twinpost": [1.5]})
    path = written.write(tmp_path)
    assert "2026-11-24-some-cpu-2-ghz.json" == path.name
    assert written == Results.read(path)


def test_newest_is_that_of_the_latest_day(tmp_path: Path) -> None:
    """By its name; other files that lie there are none."""
    assert Results.newest(tmp_path) is None
    for day in ("2026-11-24", "2026-12-01", "2026-02-03"):
        results([], date=day).write(tmp_path)
    (tmp_path / "soak-2027-01-01.json").write_text("{}", encoding="utf-8")
    newest = Results.newest(tmp_path)
    assert newest is not None
    assert "2026-12-01" == newest.date


def test_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    """A figure that is missing is not read as nothing."""
    path = results([sample("c", "s")]).write(tmp_path)
    content = json.loads(path.read_bytes())
    del content["samples"][0]["cpu_s"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(msgspec.ValidationError, match="cpu_s"):
        Results.read(path)


def test_disturbance_is_a_share_of_the_whole_machine() -> None:
    """A second of others in a second of two cores is half of it; the median of the samples counts."""
    quiet = msgspec.structs.replace(sample("c", "s"), beside_cpu_s={"others": 0.0, "load": 0.5})
    disturbed = msgspec.structs.replace(sample("c", "s", number=2), beside_cpu_s={"others": 1.0, "load": 0.5})
    assert 0.25 == results([quiet, disturbed]).others_share
    assert results([]).others_share is None
