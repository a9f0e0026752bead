"""The packages: an installed twinpost has all it needs, and nothing of the repository's own."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.repo.wheels import built


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    return built(root, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("twinpost_server/assets/envoy.yaml", "envoy/envoy.yaml"),
        ("twinpost_server/assets/twinpost_v1.binpb", "generated/twinpost_v1.binpb"),
        ("twinpost_server/py.typed", "server/twinpost_server/py.typed"),
        ("twinpost/client/py.typed", "client/twinpost/client/py.typed"),
        ("twinpost/client/__init__.py", "client/twinpost/client/__init__.py"),
        ("twinpost/v1/py.typed", "generated/twinpost/v1/py.typed"),
        ("twinpost/v1/record_pb2.pyi", "generated/twinpost/v1/record_pb2.pyi"),
    ],
)
def test_wheel_holds_the_content_of_the_tree(root: Path, wheel: Path, name: str, source: str) -> None:
    """What the tree links to is in the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        assert (root / source).read_bytes() == archive.read(name)


def test_wheel_holds_the_packages_alone(wheel: Path) -> None:
    """Neither tests nor tools reach an installation."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {"twinpost", "twinpost_server"} == {top for top in tops if not top.endswith(".dist-info")}


def test_wheel_has_one_namespace_for_the_client_and_the_generated_code(wheel: Path) -> None:
    """Neither part claims `twinpost` for itself, so that both are found wherever they are (PEP 420)."""
    with zipfile.ZipFile(wheel) as archive:
        parts = {name.split("/")[1] for name in archive.namelist() if name.startswith("twinpost/")}
    assert {"client", "v1"} == parts


def test_source_distribution_builds_the_same_wheel(root: Path, wheel: Path, tmp_path: Path) -> None:
    """The source distribution is complete: a wheel built from it has the same files, byte for byte."""
    source_distribution = built(root, "sdist", tmp_path / "sdist")
    with tarfile.open(source_distribution) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    rebuilt = built(unpacked, "wheel", tmp_path / "rebuilt")
    with zipfile.ZipFile(wheel) as left, zipfile.ZipFile(rebuilt) as right:
        expected = {name: left.read(name) for name in left.namelist()}
        assert expected == {name: right.read(name) for name in right.namelist()}
