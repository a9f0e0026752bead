"""Programs that a suite needs and a developer's machine may lack."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["needs_program"]


def needs_program(name: str, purpose: str) -> Path:
    """Return where the program `name` is, or end the test.

    Without the program the test is skipped and says so, but under `CI=true`, where nothing may be left untested in
    silence, it fails.

    Args:
        name: the program, as on PATH.
        purpose: what it is needed for, to end the sentence 'java is not installed; it is needed to …'.
    """
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    reason = f"{name} is not installed; it is needed to {purpose}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true makes that mandatory")
    pytest.skip(reason)
