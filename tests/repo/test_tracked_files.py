"""The tracked files: nothing in them is true of one machine only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# A registry's host by its name, a package manager's setting, or the address that a lock file remembers.
REGISTRY = re.compile(
    r"""//repo[^/\s]*/|//[^/\s]*(?:pypi|pythonhosted|registry|mirror|artifactory|nexus|crates)[^/\s]*
    |index[-_]url|find[-_]links|["']resolved["']:\s*["']http|registry\s*[=+]\s*["']?http|<mirrors?\b""",
    re.VERBOSE,
)


def _lines_with(pattern: re.Pattern[str], files: list[Path], root: Path) -> list[str]:
    found = []
    for path in files:
        content = path.read_bytes()
        if path == Path(__file__) or b"\0" in content:
            continue
        lines = content.decode("utf-8").splitlines()
        found += [f"{path.relative_to(root)}:{n}: {line}" for n, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def test_no_file_names_a_package_registry(root: Path, tracked_files: list[Path]) -> None:
    """Packages come from wherever the machine's own clients are set up to get them."""
    assert [] == _lines_with(REGISTRY, tracked_files, root)


@pytest.mark.parametrize(
    "line",
    [
        "https://registry.example/left-pad/-/left-pad-1.3.0.tgz",
        "registry=https://packages.example/",
    ],
)
def test_registry_is_recognised(line: str) -> None:
    """The forms in which lock files and package managers' settings name one."""
    assert REGISTRY.search(line)


@pytest.mark.parametrize("line", ["http://maven.apache.org/POM/4.0.0", "a registry of names", "https://semver.org/"])
def test_other_addresses_are_no_registry(line: str) -> None:
    """Namespaces, prose and links of documents pass."""
    assert not REGISTRY.search(line)


def test_no_file_names_a_path_of_this_machine(root: Path, tracked_files: list[Path]) -> None:
    """Neither this checkout nor anybody's home is written down."""
    homes = r"/home/[a-z]|/Users/[A-Za-z]|/root/"
    pattern = re.compile(rf"{re.escape(str(root))}(?![\w-])|(?<![\w.~}}])(?:{homes})")
    assert [] == _lines_with(pattern, tracked_files, root)


def test_text_files_end_with_one_newline(root: Path, tracked_files: list[Path]) -> None:
    """No editor needs to touch a file's last line, or to strip its trailing blanks."""
    untidy = []
    for path in tracked_files:
        content = path.read_bytes()
        generated = (root / "generated") in path.parents
        if content and not generated and b"\0" not in content and not re.search(rb"[^\n]\n\Z", content):
            untidy.append(str(path.relative_to(root)))
    assert [] == untidy


@pytest.mark.parametrize("name", [".ci/run", "tools/bootstrap"])
def test_script_can_be_executed(root: Path, name: str) -> None:
    """A script keeps its executable bit."""
    assert (root / name).stat().st_mode & 0o111
