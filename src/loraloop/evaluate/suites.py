"""Suites: versioned files of questions whose answers can be checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import DataError, UnknownThing
from ..types import ROLES, Message, Record, Repair, message

KINDS = ("target", "keep", "guard")
REPAIRS = "repairs"
"""Name of the suite of answers that people corrected."""
GUARD_TYPES = frozenset({"distress", "privacy"})
"""Types of items that may never get worse, whatever the kind of their suite."""
_ITEM_KEYS = {"id", "prompt", "messages", "expected", "any_of", "all_of", "forbidden", "type", "language", "reference"}
_CHECKS = ("any_of", "all_of", "forbidden")
_PIN = re.compile(r"@([0-9a-f]{8,64})$")
_HINT = "see the built-in suites for the form, or docs/how-to/write-a-suite.md"


@dataclass(frozen=True, slots=True)
class SuiteItem(Record):
    """One question and how its answer is checked.

    Attributes:
        messages: the conversation to answer; ends with a user's message.
        any_of: at least one of these must occur in the answer; all_of: every one of these; empty lists ask nothing.
        forbidden: none of these may occur.
        reference: an answer this one must resemble; empty where none is given.
    """

    id: str
    messages: tuple[Message, ...]
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    type: str = "general"
    language: str = "en"
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Suite(Record):
    """A named list of items.

    Attributes:
        kind: ``"target"`` (should improve), ``"keep"`` (must not get worse) or ``"guard"`` (may never fail).
        digest: SHA-256 (hex) of the canonical content.
    """

    name: str
    digest: str
    kind: str
    language: str
    items: tuple[SuiteItem, ...]  # type: ignore[assignment]
    version: int = 1


def builtin_suites() -> tuple[str, ...]:
    """Return the names of the suites that come with the package."""
    found = resources.files(__package__).joinpath("suite_files").iterdir()
    return tuple(sorted(entry.name.removesuffix(".json") for entry in found if entry.name.endswith(".json")))


def load_suite(name_or_path: str | Path) -> Suite:
    """Load a built-in suite by name or a suite file by path, either with ``@`` and the beginning of its digest.

    A pin (``en_small_talk@5d41402a``, 8 hex digits at least) makes sure that what is asked is what somebody looked at.

    Raises:
        UnknownThing: neither. DataError: the file is no suite (the message names the item and field), or is another
            one than it was pinned to.
    """
    name, pin = str(name_or_path), ""
    if (pinned := _PIN.search(name)) and not Path(os.path.expanduser(name)).is_file():
        name, pin = name[: pinned.start()], pinned.group(1)
    text, shown = _text(name)
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shown}: no JSON ({error})", hint=_HINT) from error
    suite = parse_suite(raw, shown)
    if not suite.digest.startswith(pin):
        hint = f"look at what changed, then pin it anew: {name}@{suite.digest[:12]}"
        raise DataError(f"{shown}: pinned to {pin}, but its digest is {suite.digest[:12]}", hint=hint)
    return suite


def parse_suite(raw: Any, shown: str) -> Suite:
    """Make plain data a suite; ``shown`` names it in messages.

    Raises:
        DataError: it is none.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("items"), list):
        raise DataError(f"{shown}: a suite is an object with a list of items", hint=_HINT)
    if not raw["items"]:
        raise DataError(f"{shown}: it asks nothing", hint="add items, or take the suite out of [evaluate] suites")
    kind, language = raw.get("kind", "keep"), raw.get("language", "en")
    if kind not in KINDS:
        raise DataError(f"{shown}: kind {kind!r} is not one of {', '.join(KINDS)}", hint=_HINT)
    if not isinstance(language, str):
        raise DataError(f"{shown}: language {language!r} is no text", hint=_HINT)
    version = raw.get("version", 1)
    if not isinstance(version, int):
        raise DataError(f"{shown}: version {version!r} is no whole number", hint=_HINT)
    items = tuple(_item(item, n, shown, language) for n, item in enumerate(raw["items"]))
    ids = [item.id for item in items]
    twice = sorted({item_id for item_id in ids if ids.count(item_id) > 1})
    if twice:
        raise DataError(f"{shown}: id {twice[0]!r} stands for two items", hint="give every item its own id")
    name = str(raw.get("name") or Path(shown).stem)
    if name == REPAIRS:
        raise DataError(f"{shown}: the name {REPAIRS!r} is kept for answers that people corrected", hint="rename it")
    return Suite(name, _digest(kind, items), kind, language, items, version)


def repairs_suite(repairs: Sequence[Repair], language: str) -> Suite:
    """Return the suite of corrected answers; what is asked there was taught on purpose."""
    items = tuple(
        SuiteItem(repair.id, repair.prompt, type="repair", language=language, reference=repair.answer)
        for repair in repairs
    )
    return Suite(REPAIRS, _digest("keep", items), "keep", language, items)


def _digest(kind: str, items: Sequence[SuiteItem]) -> str:
    canonical = json.dumps([kind, [dict(item) for item in items]], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _text(name: str) -> tuple[str, str]:
    if name in builtin_suites():
        return resources.files(__package__).joinpath("suite_files", f"{name}.json").read_text("utf-8"), name
    path = Path(os.path.expanduser(name))
    if not path.is_file():
        raise UnknownThing(f"no suite {name!r}", hint=f"a path, or one of: {', '.join(builtin_suites())}")
    try:
        return path.read_text(encoding="utf-8-sig"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", hint="it must be UTF-8 text") from error


def _item(raw: Any, number: int, shown: str, language: str) -> SuiteItem:
    where = f"{shown}: item {number + 1}"
    if not isinstance(raw, Mapping):
        raise DataError(f"{where} is no object", hint=_HINT)
    _refuse_unknown(raw, _ITEM_KEYS, where)
    expected = raw.get("expected") or {}
    if isinstance(expected, list):
        expected = {"any_of": expected}
    if not isinstance(expected, Mapping):
        raise DataError(f"{where}: expected must be a list, or an object of any_of and all_of", hint=_HINT)
    _refuse_unknown(expected, _CHECKS, f"{where}: expected")
    any_of, all_of, forbidden = (_words(raw.get(key) or expected.get(key) or [], f"{where}: {key}") for key in _CHECKS)
    return SuiteItem(
        id=str(raw.get("id") or f"{number + 1:03d}"),
        messages=_messages(raw, where),
        any_of=any_of,
        all_of=all_of,
        forbidden=forbidden,
        type=str(raw.get("type", "general")),
        language=str(raw.get("language", language)),
        reference=str(raw.get("reference", "")),
    )


def _refuse_unknown(raw: Mapping[str, Any], known: Collection[str], where: str) -> None:
    unknown = sorted(raw.keys() - set(known))
    if unknown:
        raise DataError(f"{where}: unknown field {unknown[0]!r}", hint=f"known: {', '.join(sorted(known))}")


def _words(raw: Any, where: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(word, str) and word.strip() for word in raw):
        raise DataError(f"{where} must be a list of words", hint=_HINT)
    return tuple(raw)


def _messages(raw: Mapping[str, Any], where: str) -> tuple[Message, ...]:
    prompt, turns = raw.get("prompt"), raw.get("messages")
    if isinstance(prompt, str) and prompt.strip() and turns is None:
        return (message("user", prompt),)
    if prompt is not None or not isinstance(turns, list) or not turns:
        raise DataError(f"{where} needs either a prompt or messages", hint=_HINT)
    found = []
    for turn in turns:
        if not isinstance(turn, Mapping) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
            raise DataError(f"{where}: a message needs a role ({', '.join(ROLES)}) and a text content", hint=_HINT)
        found.append(message(turn["role"], turn["content"]))
    if found[-1].role != "user":
        raise DataError(f"{where}: the last message must be the user's", hint=_HINT)
    return tuple(found)
