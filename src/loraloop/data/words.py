"""Word lists as files that people read and change: one regular expression a line, ``#`` begins a remark."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from itertools import groupby
from pathlib import Path

from ..errors import SettingsError

_ENGLISH = re.compile("[a-z0-9]")


def holds(name: str, text: str) -> bool:
    """Return whether a text, folded, holds something of one of the lists that ship, Korean and English together.

    Args:
        name: ``"unfit"`` or ``"distress"``.
        text: as ``folded`` gives it.
    """
    if _ENGLISH.search(text) and _english(name).search(text):
        return True
    return not text.isascii() and any(pattern.search(text) for pattern in _korean(name))


@cache
def _english(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{'|'.join(_built_in(name, 'en'))})(?![a-z])")


@cache
def _korean(name: str) -> tuple[re.Pattern[str], ...]:
    """The lines that begin with a letter, and the others: a search skips to where a match can begin only by letters."""
    lines = sorted(_built_in(name, "ko"), key=lambda line: not line[0].isalpha())
    return tuple(re.compile("|".join(group)) for _, group in groupby(lines, key=lambda line: line[0].isalpha()))


def _built_in(name: str, language: str) -> list[str]:
    """Lines of a list that ships; of the Korean ones every expression needs a letter outside of ASCII."""
    return _lines((resources.files(__package__) / "word_lists" / f"{name}_{language}.txt").read_text("utf-8"))


@cache
def from_files(paths: tuple[str, ...]) -> re.Pattern[str]:
    """Return the lists of some files as one pattern, in which capitals make no difference.

    Raises:
        SettingsError: a file cannot be read, or a line of it is no regular expression, or one that every text holds.
    """
    lines: list[str] = []
    for path in paths:
        try:
            text = Path(path).expanduser().read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"data.unfit_words: {path} cannot be read", hint="name UTF-8 files") from error
        for number, line in enumerate(text.splitlines(), start=1):
            for expression in _lines(line):
                try:
                    if re.compile(expression).search("") is not None:
                        raise SettingsError(f"data.unfit_words: {path}:{number}: every text holds this expression")
                except re.error as error:
                    raise SettingsError(f"data.unfit_words: {path}:{number}: {error}") from error
                lines.append(expression)
    return re.compile("|".join(f"(?:{line})" for line in lines) or "(?!)", re.IGNORECASE)


def folded(text: str) -> str:
    """Return a text as the lists are matched: NFKC, case-folded, straight apostrophes."""
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [unicodedata.normalize("NFKC", line) for line in lines if line and not line.startswith("#")]
