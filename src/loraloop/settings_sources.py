"""Where settings come from: a TOML file, environment variables, arguments; each key with its place.

Pure but for reading the file. Which keys there are, the caller says; what values are allowed, ``settings.py`` says.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from .errors import SettingsError

PREFIX = "LORALOOP_"
NOT_SETTINGS = frozenset({"LORALOOP_HOME", "LORALOOP_BENCH", "LORALOOP_FAILPOINTS", "LORALOOP_PARENT"})
"""Variables of that prefix that say something else."""
_SECTION = re.compile(r"\s*\[([\w.\-]+)\]")
_KEY = re.compile(r"\s*([\w.\-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Given:
    """One setting as somebody gave it.

    Attributes:
        place: ``path:line`` of the file, the variable's name, or ``argument``.
        is_text: whether the value is the raw text of a variable, to be read as its setting's type wants.
    """

    value: Any
    place: str
    is_text: bool = False


def gather(path: Path, environment: Mapping[str, str], arguments: Mapping[str, Any]) -> dict[str, Given]:
    """Return everything that was set, by dotted key; arguments win over variables, variables over the file.

    Args:
        arguments: by dotted key, or with ``__`` for the dot.

    Raises:
        SettingsError: the file cannot be read as TOML.
    """
    found = _from_file(path)
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            found[name.removeprefix(PREFIX).lower().replace("__", ".")] = Given(text, name, is_text=True)
    for name, value in arguments.items():
        found[name.replace("__", ".")] = Given(value, "argument")
    return found


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as a tree.

    Example:
        >>> nested({"bot": "b", "train.epochs": 3})
        {'bot': 'b', 'train': {'epochs': 3}}
    """
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, leaf = key.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[leaf] = value
    return tree


def from_text(text: str, wants: Any) -> Any:
    """Return a variable's text as a setting of type ``wants`` reads it.

    Text settings take it as it is; lists also as words between commas; everything else as TOML would.

    Example:
        >>> from_text("3", int), from_text("3", str), from_text("a, b", tuple[str, ...])
        (3, '3', ['a', 'b'])
    """
    if wants is str:
        return text
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        read = {}
    if list(read) == ["value"]:  # a text of several lines could say more than its one value
        return read["value"]
    if "tuple" in str(wants) and "str" not in str(wants).split(" | "):
        return [word.strip() for word in text.split(",") if word.strip()]
    return text


def no_number(value: Any, wants: Any) -> str:
    """Say why a value must not be taken for the number that its setting wants; empty where nothing is wrong with it.

    ``retention_days = true`` would be one day, and a limit of ``inf`` none.

    Example:
        >>> no_number(True, float), no_number("inf", float), no_number(True, bool), no_number(3, int)
        ('it should be a number', 'it should be a finite number', '', '')
    """
    if {int, float}.isdisjoint({wants, *get_args(wants)}):
        return ""
    if isinstance(value, bool):
        return "it should be a number"
    try:
        return "" if math.isfinite(float(value)) else "it should be a finite number"
    except (TypeError, ValueError, OverflowError):
        return ""  # the setting itself says what it wants


def _from_file(path: Path) -> dict[str, Given]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8", hint="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # no TOML, a number without end, lists in lists in lists
        raise SettingsError(f"{path} is no TOML: {error}", hint="correct that line, or remove the file") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    lines = _lines(text)
    return {key: Given(value, f"{path}:{lines[key]}" if key in lines else str(path)) for key, value in _flat(tree)}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted key; an empty section stands for itself."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _lines(text: str) -> dict[str, int]:
    """Line number of each key and section, as far as plain reading tells."""
    found: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SECTION.match(line):
            section = match[1] + "."
            found.setdefault(match[1], number)
        elif match := _KEY.match(line):
            found.setdefault(section + match[1], number)
    return found
