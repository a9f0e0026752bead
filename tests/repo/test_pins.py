"""The pins: everything that is installed is named with its hashes, and nothing says where to get it from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, re.Match[str]]:
    """Every pin of `constraints.txt`, by canonical name."""
    text = (root / "constraints.txt").read_text(encoding="utf-8")
    return {canonicalize_name(match["name"]): match for match in PIN.finditer(text)}


def test_the_python_example_has_the_same_pins(root: Path, pins: dict[str, re.Match[str]]) -> None:
    """With hashes, and written after the last change of `constraints.txt` (`make lock`)."""
    text = (root / "examples" / "python" / "requirements.txt").read_text(encoding="utf-8")
    own = {canonicalize_name(match["name"]): match for match in PIN.finditer(text)}
    assert own
    assert [] == [name for name, match in own.items() if "--hash=sha256:" not in match["rest"]]
    assert {name: pins[name]["version"] for name in own} == {name: match["version"] for name, match in own.items()}


@pytest.mark.parametrize("name", ["examples/node", "tests/browser/page", "tests/upstash"])
def test_packages_from_npm_have_one_version(root: Path, name: str) -> None:
    """Neither `^` nor `~`, and no range."""
    package = json.loads((root / name / "package.json").read_text(encoding="utf-8"))
    wanted = {**package["dependencies"], **package.get("devDependencies", {})}
    assert wanted
    assert [] == [name for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)]


def test_crates_have_one_version(root: Path) -> None:
    """To Cargo `1.2.3` is a range; `=1.2.3` is not."""
    manifest = tomllib.loads((root / "examples" / "rust" / "Cargo.toml").read_text(encoding="utf-8"))
    wanted = {**manifest["dependencies"], **manifest["build-dependencies"]}
    versions = {name: crate if isinstance(crate, str) else crate["version"] for name, crate in wanted.items()}
    assert versions
    assert [] == [name for name, version in versions.items() if not re.fullmatch(r"=\d+\.\d+\.\d+", version)]


def test_every_pin_has_hashes(pins: dict[str, re.Match[str]]) -> None:
    """Each file that pip installs is one that was pinned."""
    assert pins
    assert [] == [name for name, match in pins.items() if "--hash=sha256:" not in match["rest"]]


def test_pins_name_no_index(root: Path) -> None:
    """Where packages come from is the machine's business."""
    assert [] == re.findall(r"https?://|--(?:extra-)?index", (root / "constraints.txt").read_text(encoding="utf-8"))


def test_every_requirement_is_pinned_within_its_bounds(root: Path, pins: dict[str, re.Match[str]]) -> None:
    """`constraints.txt` was written after the last change of a requirement (`make lock`)."""
    with (root / "pyproject.toml").open("rb") as file:
        pyproject = tomllib.load(file)
    texts = [
        *pyproject["project"]["dependencies"],
        *(text for extra in pyproject["project"]["optional-dependencies"].values() for text in extra),
        *(text for group in pyproject["dependency-groups"].values() for text in group),
        *pyproject["build-system"]["requires"],
    ]
    unmet = []
    for requirement in map(Requirement, texts):
        if requirement.name == pyproject["project"]["name"]:
            continue  # an extra that brings another one with it
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None or pin["version"] not in requirement.specifier:
            unmet.append(str(requirement))
    assert [] == unmet
