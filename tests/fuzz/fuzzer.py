"""The fuzzer: `python -m tests.fuzz.fuzzer TARGET [libFuzzer's flags and corpora]`."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped] # it has no types of its own

__all__: list[str] = []


def main() -> None:
    """Fuzz one target until a flag or a finding ends it."""
    name = sys.argv.pop(1)
    with atheris.instrument_imports(
        include=["twinpost_server", "json.decoder", "json.scanner", "urllib.parse", "gzip"]
    ):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - imported once more, so that its coverage is seen
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
