"""The charts of the document on performance: here, since drawing takes its time and no product code."""

from __future__ import annotations

from pathlib import Path

from bench.charts import draw
from tests.unit.bench.made import results, sample, soak_results


def test_charts_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    """No day, no random id: a chart changes only when its figures do."""
    made = results(
        [
            sample("rest-single-at-250", "twinpost"),
            sample("rest-array-100", "twinpost"),
            sample("rest-array-1000", "raw", records_per_s=2000, cpu_us_per_record=2),
        ]
    )
    made.write(tmp_path)
    soak_results().write(tmp_path)
    for name in ("once", "twice"):
        draw(tmp_path, tmp_path / name)
    once = {path.name: path.read_bytes() for path in (tmp_path / "once").iterdir()}
    names = {"cpu-over-batch.svg", "latency-over-rate.svg", "memory-over-time.svg", "records-over-batch.svg"}
    assert names == once.keys()
    assert once == {path.name: path.read_bytes() for path in (tmp_path / "twice").iterdir()}
    assert all(b"make bench" in content for content in once.values())
