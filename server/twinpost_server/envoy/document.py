"""A parsed configuration whose parts are addressed by path."""

from __future__ import annotations

from typing import Any, Final

import yaml

__all__ = ["Document", "Path", "TargetMissing"]

Path = tuple[str | int, ...]
"""From the top to a part: the keys of maps, and in lists either an index or the `name` of an item."""

_WIDTH: Final = 120


class TargetMissing(LookupError):
    """The document has no part at a path, or has one where none was expected.

    Attributes:
        path: the path.
        step: the first step of it that leads nowhere.
    """

    def __init__(self, path: Path, step: str | int, problem: str) -> None:
        """Name the path and the step, and the problem as the end of a sentence."""
        where = ".".join(map(str, path))
        super().__init__(
            f"envoy.yaml: cannot set {where}: {step!r} {problem}; the file and twinpost_server/envoy/configuration.py "
            "have drifted apart, so change both together"
        )
        self.path = path
        self.step = step


class Document:
    """A YAML document that is changed part by part; a change that finds no target is an error, never a new part."""

    def __init__(self, text: str) -> None:
        """Parse `text`; an alias becomes a copy, so that a change to one place never shows in another."""
        self._root = _copy(yaml.safe_load(text))

    def __getitem__(self, path: Path) -> Any:  # noqa: ANN401 - a part of a YAML document has any type
        """Return the part at `path`.

        Raises:
            TargetMissing: there is none.
        """
        part = self._root
        for step in path:
            part = part[_key(part, path, step)]
        return part

    def replace(self, path: Path, value: object) -> None:
        """Put `value` in the place of the part at `path`.

        Raises:
            TargetMissing: there is none.
        """
        parent = self[path[:-1]]
        parent[_key(parent, path, path[-1])] = value

    def replace_text(self, path: Path, old: str, new: str) -> None:
        """Put `new` in the place of `old` in the string at `path`.

        Raises:
            TargetMissing: there is no such string, or it does not hold `old`.
        """
        text = self[path]
        if old not in text:
            raise TargetMissing(path, path[-1], f"does not say {old!r}")
        self.replace(path, text.replace(old, new))

    def add(self, path: Path, value: object) -> None:
        """Put `value` at `path`, whose last step is a key that its map does not have yet.

        Raises:
            TargetMissing: there is no such map, or it has that key.
        """
        parent = self[path[:-1]]
        if path[-1] in parent:
            raise TargetMissing(path, path[-1], "is there already")
        parent[path[-1]] = value

    def remove(self, path: Path) -> None:
        """Take out the part at `path`.

        Raises:
            TargetMissing: there is none.
        """
        parent = self[path[:-1]]
        del parent[_key(parent, path, path[-1])]

    def to_yaml(self) -> str:
        """Return the document as YAML, without aliases and comments."""
        return yaml.dump(self._root, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _key(part: Any, path: Path, step: str | int) -> str | int:  # noqa: ANN401 - as above
    """Return the key or the index of `step` in `part`."""
    if isinstance(part, dict):
        if step in part:
            return step
    elif isinstance(part, list):
        if isinstance(step, int):
            if 0 <= step < len(part):
                return step
        else:
            found = [index for index, item in enumerate(part) if item.get("name") == step]
            if len(found) == 1:
                return found[0]
    raise TargetMissing(path, step, "is not there")


def _copy(part: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(part, dict):
        return {key: _copy(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_copy(item) for item in part]
    return part


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and each part where it belongs."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        return True


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_str)
