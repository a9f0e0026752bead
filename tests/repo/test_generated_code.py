"""The generated code: what is checked in is what the contract says."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tools.generate import GENERATED, differences, generate


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    """`make generate` would change nothing: neither the code, nor its stubs, nor the descriptor set."""
    generate(tmp_path)
    assert [] == differences(tmp_path, GENERATED)


def test_difference_in_either_direction_is_found(tmp_path: Path) -> None:
    """A changed, a missing and a superfluous file are each named."""
    left, right = tmp_path / "left", tmp_path / "right"
    for directory, files in ((left, ("same", "changed", "missing")), (right, ("same", "changed", "superfluous"))):
        (directory / "package").mkdir(parents=True)
        for name in files:
            (directory / "package" / name).write_text("" if name == "same" else directory.name, encoding="utf-8")
    assert ["package/changed", "package/missing", "package/superfluous"] == differences(left, right)


@pytest.mark.parametrize(
    ("distribution", "pattern"),
    [
        ("grpcio", r"GRPC_GENERATED_VERSION = '([\d.]+)'"),
        ("protobuf", r"# Protobuf Python Version: ([\d.]+)"),
    ],
)
def test_oldest_runtime_allowed_can_run_the_generated_code(root: Path, distribution: str, pattern: str) -> None:
    """The floor of a dependency is not below the version that the generated code asks for."""
    with (root / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    (floor,) = (
        Version(specifier.version)
        for requirement in map(Requirement, dependencies)
        if requirement.name == distribution
        for specifier in requirement.specifier
        if specifier.operator == ">="
    )
    sources = (path.read_text(encoding="utf-8") for path in GENERATED.rglob("*_pb2*.py"))
    asked = {Version(found) for source in sources for found in re.findall(pattern, source)}
    assert asked
    assert max(asked) <= floor <= Version(version(distribution))
