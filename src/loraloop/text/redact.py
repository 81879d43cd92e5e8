"""Takes personal data out of text before it is stored.

Covered (``personal``): e-mail, resident, foreigner and social security numbers, phones, cards, bank accounts,
passports, driving licences, IP addresses, keys, tokens and passwords, messenger names, addresses down to a door,
schools with a class, and names where the sentence says that they are names; also with full-width digits, zero-width
characters, spaced or dotted, or spelt out. Not covered: a first name in passing, nicknames, faces, voices, what a story
gives away. Nationwide service numbers (1577-0199, 1388, 080-...) stay.

A placeholder tells the kind and, within one conversation, which of several values: the first phone is ``[PHONE]``, the
second ``[PHONE_2]``, and the same number said again is the same placeholder again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from .personal import spans
from .reading import View, plain_view, spelt_views
from .remembered import Remembered

KINDS = (
    "email", "rrn", "ssn", "phone", "card", "account", "passport", "licence", "ip", "secret", "messenger", "address",
    "school", "name",
)  # fmt: skip
"""The kinds of personal data."""
TAG = re.compile(rf"\[(?:{'|'.join(kind.upper() for kind in KINDS)})(?:_[0-9]{{1,4}})?\]")
"""What stands in a redacted text where personal data stood."""


_CLEAN = Remembered(4096)
"""Of texts in which nothing was found, for the checks look again at what an import has just redacted."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text without personal data.

    Attributes:
        text: NFC, each finding replaced by its placeholder (``"[PHONE]"``).
        found: the kind of each finding in the order of the text, lower case (``"phone"``); empty if there was none.
    """

    text: str
    found: tuple[str, ...]


class Placeholders:
    """The placeholders of one conversation. Lives only while it is read; what a placeholder stood for is kept nowhere.

    Args:
        texts: what was redacted before: new values are numbered on from the placeholders in it.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._count: dict[str, int] = {}
        for text in texts:
            self.reserve(text)

    def reserve(self, text: str) -> None:
        """Leave the placeholders that stand in a text to the values they stand for."""
        if "[" in text:
            for tag in TAG.finditer(text):
                kind, _, number = tag.group()[1:-1].partition("_")
                self._count[kind] = max(self._count.get(kind, 0), int(number or 1))

    def of(self, kind: str, value: str) -> str:
        """Return the placeholder of a value, the same whichever way it is written."""
        key = (kind, re.sub(r"[\W_]", "", value).casefold())
        if key not in self._known:
            name = kind.upper()
            number = self._count[name] = self._count.get(name, 0) + 1
            self._known[key] = f"[{name}]" if number == 1 else f"[{name}_{number}]"
        return self._known[key]


def find(text: str) -> list[tuple[int, int, str, str]]:
    """Return the findings in a text as ``(start, end, kind, value)``, none overlapping another, in order.

    Args:
        text: NFC.

    Returns:
        Where each finding stands, its kind, and its value as a reader sees it (``"010-1234-5678"`` for full-width).
    """
    key = _CLEAN.key(text)
    if _CLEAN.get(key):
        return []
    view = plain_view(text)
    found: list[tuple[int, int, str, str]] = []
    for reading in (view, *spelt_views(view)):
        found += _in_view(reading)
    if not found:
        _CLEAN.put(key, True)
    merged: list[tuple[int, int, str, str]] = []
    for start, end, kind, value in sorted(found, key=lambda one: one[0]):
        if merged and start < merged[-1][1]:  # two readings of one place: all that either saw goes
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end, *merged[-1][2:])
            continue
        merged.append((start, end, kind, value))
    return merged


def findings(text: str) -> list[tuple[int, int, str]]:
    """Return where personal data stands in ``text``: ``(start, end, kind)``, in order, none overlapping another.

    Example:
        >>> findings("내 번호는 010-1234-5678이야")
        [(6, 19, 'phone')]
    """
    return [(start, end, kind) for start, end, kind, _ in find(text)]


def personal_data(text: str) -> list[tuple[str, str]]:
    """Return each finding as its kind and the letters and digits of it, as a reader sees them.

    Example:
        >>> personal_data("０１０-1234-5678이야")
        [('phone', '01012345678')]
    """
    return [(kind, compact_data(value)) for _, _, kind, value in find(unicodedata.normalize("NFC", text))]


def has_personal_data(text: str) -> bool:
    """Return whether ``redact`` finds anything in a text."""
    return bool(find(unicodedata.normalize("NFC", text)))


def compact_data(text: str) -> str:
    """Return the letters and digits of a text as a reader sees them, lower case: one number, however it is grouped."""
    view = plain_view(unicodedata.normalize("NFC", text))
    return "".join(char for char in view.text if char.isalnum()).casefold()


def _in_view(view: View) -> list[tuple[int, int, str, str]]:
    return [
        (view.begins[start], view.ends[end - 1], kind, view.text[start:end]) for start, end, kind in spans(view.text)
    ]


def redact(text: str, placeholders: Placeholders | None = None) -> Redaction:
    """Return ``text`` with personal data replaced by placeholders.

    Runs until nothing more is found, so redacting twice changes nothing.

    Args:
        text: any string.
        placeholders: of the conversation it belongs to; ``None`` for a text that stands alone.

    Returns:
        The redacted text and what was found.

    Example:
        >>> redact("내 번호는 010-1234-5678이야").text
        '내 번호는 [PHONE]이야'
        >>> redact("12,000원, 2026-11-24").found
        ()
    """
    text = unicodedata.normalize("NFC", text)
    named = placeholders if placeholders is not None else Placeholders()
    named.reserve(text)
    found: list[str] = []
    while findings := find(text):
        pieces: list[str] = []
        last = 0
        for start, end, kind, value in findings:
            pieces += [text[last:start], named.of(kind, value)]
            last = end
            found.append(kind)
        text = "".join([*pieces, text[last:]])
    return Redaction(text=text, found=tuple(found))
