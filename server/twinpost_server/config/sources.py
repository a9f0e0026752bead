"""Where settings come from: the TOML file, over it the environment, over that the command's flags.

Each value keeps the place it came from until everything is checked, so that every fault can name it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from twinpost_server.config.catalog import Catalog, Key, dotted
from twinpost_server.config.faults import ConfigError, Fault, quoted, toml_problem
from twinpost_server.config.settings import Settings

__all__ = ["FLAGS", "load"]

FLAGS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        "--host": ("listen", "host"),
        "--port": ("listen", "port"),
        "--kafka": ("kafka", "bootstrap_servers"),
        "--users-file": ("auth", "users_file"),
        "--auth-mode": ("auth", "mode"),
        "--workers": ("workers", "count"),
        "--envoy": ("envoy", "enabled"),
        "--run-dir": ("run_dir",),
        "--log-level": ("log", "level"),
        "--log-format": ("log", "format"),
    }
)
"""The settings that have a flag."""

_PREFIX: Final = "TWINPOST_"
_DELIMITER: Final = "__"

_OF_PRODUCE: Final = frozenset({"TWINPOST_PASSWORD", "TWINPOST_URL", "TWINPOST_USER"})
"""Variables of `twinpost produce`, which may well be set where a gateway is started."""

_SERVICE_LINK: Final = re.compile(r"TWINPOST_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_URL: Final = re.compile(r"(tcp|udp|sctp)://")

_DIRECTORIES: Final = frozenset({("run_dir",)})
"""Paths that need not exist beforehand; every other one names a file that twinpost reads."""

_MAY_HOLD_SECRET: Final = re.compile(r"password|key_file")
"""Settings where a secret may be put by mistake, instead of the file that holds it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """The file, the environment, or the flags.

    Attributes:
        directory: what relative paths are relative to.
        is_text: whether every value is text, so that lists and none have to be read from it.
        spelled: how the source spells a setting.
    """

    directory: Path
    is_text: bool
    spelled: Callable[[Key], str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A value and the place it came from.

    Attributes:
        source: which source has it.
        where: as in `Fault`.
        key: what the source says it is; there may be no such setting.
        value: as the source has it.
    """

    source: _Source
    where: str
    key: Key
    value: object


class _UnusableError(Exception):
    """The file, or an entry, cannot be used; the text says why."""


def load(config_file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Find, merge and check the settings; paths become absolute. Reads files, so not for an event loop.

    Args:
        config_file: the TOML file, `None` for none. Relative paths in it are relative to its directory.
        environment: all variables. Those that begin with `TWINPOST_` are settings, `__` stands between section and
            name. A list is comma-separated or a JSON array; an empty variable clears an optional setting.
        flags: values by the names in `FLAGS`; `None` for a flag that was not given.

    Raises:
        ConfigError: with every fault. Where the file cannot be read, it is silent on what may stand in there.
    """
    catalog = Catalog(Settings)
    faults: list[Fault] = []
    entries: list[_Entry] = []
    file_read = True
    if config_file is not None:
        try:
            table = _read_toml(config_file)
        except _UnusableError as unusable:
            file_read = False
            faults.append(Fault(str(config_file), str(unusable)))
        else:
            source = _Source(config_file.absolute().parent, is_text=False, spelled=dotted)
            entries += _in_file(table, (), str(config_file), source, catalog)
    entries += _in_environment(environment)
    entries += _in_flags(flags)

    effective: dict[Key, _Entry] = {}
    for entry in entries:
        try:
            effective[entry.key] = _understood(entry, catalog)
        except _UnusableError as unusable:
            faults.append(Fault(entry.where, str(unusable)))
    faults += _file_faults(effective)
    try:
        settings = Settings.model_validate(_tree(effective, catalog))
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            faults += _translated(error, effective, catalog, file_read=file_read)
        # One list may have several bad elements, and one report of it is enough.
        raise ConfigError(*dict.fromkeys(faults)) from None
    if faults:
        raise ConfigError(*faults)
    return settings


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        msg = f"cannot be read: {error.strerror}; give the path of a TOML file that this user may read"
        raise _UnusableError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"is not UTF-8 at byte {error.start}: expected a TOML file"
        raise _UnusableError(msg) from error
    except (ValueError, RecursionError) as error:
        raise _UnusableError(toml_problem(error)) from error


def _in_file(
    table: Mapping[str, object], section: Key, file: str, source: _Source, catalog: Catalog
) -> Iterator[_Entry]:
    for name, value in table.items():
        key = (*section, name)
        if key in catalog.sections and isinstance(value, dict):
            yield from _in_file(value, key, file, source, catalog)
        else:
            yield _Entry(source, f"{file}: {dotted(key)}", key, value)


def _in_environment(environment: Mapping[str, str]) -> Iterator[_Entry]:
    source = _Source(Path.cwd(), is_text=True, spelled=_variable)
    for name, text in sorted(environment.items()):
        if name.startswith(_PREFIX) and name not in _OF_PRODUCE and not _is_service_link(name, text):
            key = tuple(name.removeprefix(_PREFIX).lower().split(_DELIMITER))
            yield _Entry(source, f"environment {name}", key, text)


def _variable(key: Key) -> str:
    return _PREFIX + _DELIMITER.join(key).upper()


def _is_service_link(name: str, text: str) -> bool:
    """Return whether Kubernetes sets the variable, as it does in every pod beside a Service named `twinpost…`.

    Its `TWINPOST_PORT` differs from one that a person sets, meaning `listen.port`, by the value alone.
    """
    return _SERVICE_LINK.fullmatch(name) is not None or (
        name.endswith("_PORT") and _SERVICE_URL.match(text) is not None
    )


def _in_flags(flags: Mapping[str, object]) -> Iterator[_Entry]:
    source = _Source(Path.cwd(), is_text=True, spelled=dotted)
    for name, value in flags.items():
        if value is not None:
            yield _Entry(source, f"flag {name}", FLAGS[name], value)


def _understood(entry: _Entry, catalog: Catalog) -> _Entry:
    """Return `entry` with its value as the settings' model takes it, known to name a setting."""
    key, value, source = entry.key, entry.value, entry.source
    if key not in catalog.settings:
        raise _UnusableError(_unknown(entry, catalog))
    if source.is_text and not value and catalog.is_optional(key):
        return replace(entry, value=None)
    if source.is_text and isinstance(value, str) and catalog.is_list(key):
        return replace(entry, value=_list(value))
    if value == "" and catalog.is_path(key):  # it would become the file's own directory
        msg = f"{_not_accepted(entry, catalog)}; leave the setting out for none"
        raise _UnusableError(msg)
    if isinstance(value, str) and catalog.is_path(key):
        return replace(entry, value=source.directory / value)
    if isinstance(value, bool) and catalog.is_number(key):  # which Python takes for 0 or 1
        raise _UnusableError(_not_accepted(entry, catalog))
    return entry


def _unknown(entry: _Entry, catalog: Catalog) -> str:
    if entry.key in catalog.sections:
        names = ", ".join(catalog.sections[entry.key].model_fields)
        return f"this is a section: expected one of its settings ({names})"
    sections = () if entry.source.is_text else [section for section in catalog.sections if section]
    near = catalog.nearest(entry.key, among=(*catalog.settings, *sections))
    if near is None:
        return "there is no such setting: remove it; `twinpost check-config` lists what there is"
    return f"there is no such setting; did you mean {entry.source.spelled(near)}?"


def _list(text: str) -> object:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text  # which is no list: the model says what was expected
    return [item for part in text.split(",") if (item := part.strip())]


def _file_faults(entries: Mapping[Key, _Entry]) -> Iterator[Fault]:
    for key, entry in entries.items():
        if isinstance(entry.value, Path) and key not in _DIRECTORIES:
            problem = _file_problem(entry.value, os.X_OK if key == ("envoy", "binary") else os.R_OK)
            if problem is not None:
                name = "the file it names" if _MAY_HOLD_SECRET.search(key[-1]) else repr(str(entry.value))
                yield Fault(entry.where, f"{name} {problem}")


def _file_problem(file: Path, access: int) -> str | None:
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist: make it, or mend the path"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    except ValueError as error:  # a NUL character
        return f"cannot be looked at: {error}"
    if not stat.S_ISREG(mode):
        return "is not a file: expected the path of one"
    if not os.access(file, access):
        return f"may not be {'run' if access == os.X_OK else 'read'} by this user: mend its permissions"
    return None


def _tree(entries: Mapping[Key, _Entry], catalog: Catalog) -> dict[str, Any]:
    """Return the values nested by section; every section is there, so that what is missing in it gets named."""
    tables: dict[Key, dict[str, Any]] = {section: {} for section in catalog.sections}
    for section in catalog.sections:
        if section:
            tables[section[:-1]][section[-1]] = tables[section]
    for key, entry in entries.items():
        tables[key[:-1]][key[-1]] = entry.value
    return tables[()]


def _translated(
    error: ErrorDetails, entries: Mapping[Key, _Entry], catalog: Catalog, *, file_read: bool
) -> Iterator[Fault]:
    location = tuple(str(step) for step in error["loc"])
    # What follows the setting is the place within it, such as the number of a list's element.
    key = next((location[:end] for end in range(len(location), 0, -1) if location[:end] in catalog.settings), ())
    if key in entries and error["type"] == "value_error":  # a rule of the setting's own, with a text of its own
        yield Fault(entries[key].where, str(error["ctx"]["error"]))
    elif key in entries:
        yield Fault(entries[key].where, _not_accepted(entries[key], catalog))
    elif not file_read:
        return
    elif key:
        yield Fault(dotted(key), _missing(key))
    else:  # a rule of a section, or of several; its text is the settings' own
        for problem in error["ctx"]["error"].args:
            yield Fault(dotted(location) or "settings", problem)


def _not_accepted(entry: _Entry, catalog: Catalog) -> str:
    value = "this value" if _MAY_HOLD_SECRET.search(entry.key[-1]) else quoted(entry.value)
    return f"{value} is not accepted: expected {catalog.expectation(entry.key)}"


def _missing(key: Key) -> str:
    ways = [f"{dotted(key)} in the file", f"{_variable(key)} in the environment"]
    ways += [f"the flag {flag}" for flag, setting in FLAGS.items() if setting == key]
    return f"missing: give {', '.join(ways[:-1])} or {ways[-1]}"
