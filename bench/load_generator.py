"""The load generator in `bench/load`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bench.go_program import built
from bench.load_program import Load, Order

__all__ = ["LoadGenerator"]

_MODULE: Final = Path(__file__).parent / "load"


class LoadGenerator:
    """Makes loads out of orders."""

    def __init__(self) -> None:
        """Build the program.

        Raises:
            GoMissing: it cannot be built.
        """
        self._program = built(_MODULE, ".", "load")

    def load(self, order: Order) -> Load:
        """Return the load that `order` describes."""
        return Load(
            command=[str(self._program)],
            told=msgspec.json.encode(order),
            lasts_s=order.warm_up_s + order.measure_s,
        )
