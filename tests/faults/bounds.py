"""How long things may take in a trial, and how to be more patient on a machine that is busy with something else."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["OUTAGE_S", "most", "within_s"]

OUTAGE_S = float(os.environ.get("FAULTS_OUTAGE_S", "10"))
"""How long all brokers stay away while running. CI takes less than the minute of a release run."""

_PATIENCE = float(os.environ.get("FAULTS_PATIENCE", "1"))


def within_s(promised_s: float) -> float:
    """Return how long to allow for what is promised within `promised_s`: the same, unless FAULTS_PATIENCE says more.

    Patience stretches times only; what is lost, doubled or denied is never allowed for.
    """
    return promised_s * _PATIENCE


def most(times_s: Sequence[float]) -> float:
    """Return the time that 99 of 100 stay below: one hiccup of the machine is no fault of the gateway."""
    return sorted(times_s)[(len(times_s) - 1) * 99 // 100]
