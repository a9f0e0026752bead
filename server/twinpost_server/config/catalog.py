"""Every setting there is, by its name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeGuard, get_args, get_origin

from pydantic import BaseModel

__all__ = ["Catalog", "Key", "dotted"]

Key = tuple[str, ...]
"""The way to a setting or to a section: `("listen", "tls", "cert_file")`."""

_LIKENESS_MIN: Final = 0.6


def dotted(key: Key) -> str:
    """Return `key` as the documentation writes it: `listen.tls.cert_file`."""
    return ".".join(key)


class Catalog:
    """The settings of a model and of its sections.

    Attributes:
        sections: the model of every section, the root's under the empty key.
        settings: what every setting takes, as its Python annotation without `None`.
    """

    def __init__(self, root: type[BaseModel]) -> None:
        """List the settings of `root`."""
        self.sections: dict[Key, type[BaseModel]] = {}
        self.settings: dict[Key, object] = {}
        self._optional: set[Key] = set()
        self._add(root, ())

    def is_optional(self, key: Key) -> bool:
        """Return whether the setting may be none."""
        return key in self._optional

    def is_list(self, key: Key) -> bool:
        """Return whether the setting takes a list."""
        return get_origin(self.settings[key]) is tuple

    def is_path(self, key: Key) -> bool:
        """Return whether the setting takes a path."""
        return self.settings[key] is Path

    def is_number(self, key: Key) -> bool:
        """Return whether the setting takes a number."""
        return self.settings[key] in (int, float)

    def expectation(self, key: Key) -> str:
        """Return in words what the setting takes."""
        return _in_words(self.sections[key[:-1]].model_json_schema()["properties"][key[-1]])

    def nearest(self, key: Key, *, among: Iterable[Key]) -> Key | None:
        """Return which of `among` the unknown `key` was probably meant to be, or `None` if nothing is like it."""
        known = {dotted(candidate): candidate for candidate in among}
        # `port` for `listen.port` is the right name in the wrong place, however little of the whole that is.
        namesakes = [name for name, candidate in known.items() if candidate[-1:] == key[-1:]]
        for names, likeness_min in ((namesakes, 0.0), (known, _LIKENESS_MIN)):
            if found := difflib.get_close_matches(dotted(key), names, n=1, cutoff=likeness_min):
                return known[found[0]]
        return None

    def _add(self, section: type[BaseModel], key: Key) -> None:
        self.sections[key] = section
        for name, field in section.model_fields.items():
            inner = (*key, name)
            if _is_section(field.annotation):
                self._add(field.annotation, inner)
                continue
            self.settings[inner] = field.annotation
            if get_origin(field.annotation) is UnionType and type(None) in get_args(field.annotation):
                (self.settings[inner],) = (choice for choice in get_args(field.annotation) if choice is not type(None))
                self._optional.add(inner)


def _is_section(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _in_words(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_in_words(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema:
        return "one of " + ", ".join(f"'{choice}'" for choice in schema["enum"])
    if schema["type"] == "array":
        return "a list of text (outside the file: a,b or a JSON array)"
    if schema["type"] == "string":
        kind = "a path" if schema.get("format") == "path" else "text"
        return f"{kind}, not empty" if schema.get("minLength") else kind
    kind = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}[schema["type"]]
    bounds = (("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most"))
    return ", ".join((kind, *(f"{word} {schema[name]:.15g}" for name, word in bounds if name in schema)))
