"""The corpus: good and bad input of every kind, and whatever once broke a promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def test_every_target_has_a_corpus() -> None:
    """And nothing else has."""
    assert sorted(TARGETS) == sorted(folder.name for folder in CORPUS.iterdir())


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*/*")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_input_keeps_every_promise(file: Path) -> None:
    """No fuzzer is needed to replay what one has found."""
    TARGETS[file.parent.name](file.read_bytes())
