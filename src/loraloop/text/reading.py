r"""A text as a reader sees it: ASCII digits, no invisible characters, numbers that are spelt out as digits.

People hide numbers from machines and not from one another: full-width or circled digits, zero-width characters,
"공일공 다시 일이삼사", "0 1 0 1 2 3 4", "five five five". A view is such a reading together with the place in the
original that each of its characters came from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .normalise import strip_invisible

_PLAIN = re.compile("[\x00-\x7f가-힣]*")
_HANGUL = {
    char: str(digit)
    for digit, chars in enumerate(("공영", "일", "이", "삼", "사", "오", "육륙", "칠", "팔", "구"))
    for char in chars
}
_NUMERALS = _HANGUL | dict.fromkeys("oO", "0") | dict.fromkeys("lI", "1") | {str(n): str(n) for n in range(10)}
_DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_WORDS = {"oh": "0"} | {word: str(digit) for digit, word in enumerate(_DIGIT_WORDS)}
_NUMERAL = f"[{''.join(_NUMERALS)}]"
_BETWEEN = r"(?:[\s.\-_~·,/|*()]{1,3}|\s?(?:다시|대시|하이픈|에|점|쩜)\s?)?"
_HANGUL_RUN = re.compile(rf"{_NUMERAL}(?<![0-9A-Za-z+].)(?:{_BETWEEN}{_NUMERAL}){{6,40}}(?![A-Za-z])")
_LEAST_DIGITS = 6
_SPACED_RUN = re.compile(r"(?<![0-9A-Za-z])\+?[0-9](?:[ .\-_~·,/|()]{1,3}[0-9](?![0-9])){7,40}(?![A-Za-z])")
_WORD = "|".join(_WORDS)
_WORD_RUN = re.compile(
    rf"(?<![A-Za-z])(?:plus\s)?(?:{_WORD})(?:[\s,.\-]{{1,3}}(?:dash\s|dot\s)?(?:{_WORD}|[0-9])){{6,24}}(?![A-Za-z])",
    re.IGNORECASE,
)
_ONE_WORD = re.compile(rf"{_WORD}|[0-9]", re.IGNORECASE)
_NANP_DIGITS = 10
_DIGIT = re.compile("[0-9]")
_LATIN = re.compile("[A-Za-z]")


class View(NamedTuple):
    """A reading of a text.

    Attributes:
        text: what is read.
        begins, ends: for each of its characters, the slice of the original that it stands for.
    """

    text: str
    begins: Sequence[int]
    ends: Sequence[int]


def plain_view(text: str) -> View:
    """Return the text with ASCII digits and dashes and without invisible characters."""
    if _PLAIN.fullmatch(text):
        return View(text, range(len(text)), range(1, len(text) + 1))
    view: list[str] = []
    begins: list[int] = []
    for place, char in enumerate(text):
        if ord(char) < 128 or 0xAC00 <= ord(char) <= 0xD7A3:
            seen = char
        elif unicodedata.category(char) == "Pd" or char == "\u2212":
            seen = "-"
        elif char == "\u20e3":  # the frame of a keycap emoji
            seen = ""
        else:
            seen = strip_invisible(unicodedata.normalize("NFKC", char))
            seen = "".join(str(unicodedata.decimal(one, one)) for one in seen)
        view.append(seen)
        begins.extend([place] * len(seen))
    return View("".join(view), begins, [begin + 1 for begin in begins])


def spelt_views(view: View) -> Iterator[View]:
    """Yield the readings in which numbers that are spelt out, or spaced out, are digits; nothing where there are none.

    Where the last numeral may as well be a particle ("...칠팔이야"), both readings are given.
    """
    text = view.text
    runs = [] if text.isascii() else [*_hangul_runs(text)]
    if _DIGIT.search(text):
        runs += _spaced_runs(text)
    if _may_spell(text):
        runs += _word_runs(text)
    if not runs:
        return
    yield _replaced(view, runs)
    trimmed = [run[:-1] if view.text[run[-1][0]] == "이" else run for run in runs]
    if trimmed != runs:
        yield _replaced(view, trimmed)


def _may_spell(text: str) -> bool:
    """Whether as many number words and digits stand in a text as the shortest number spelt out has."""
    if not _PLAIN.fullmatch(text):  # letters in other forms may stand for those of a word
        return True
    if not _LATIN.search(text):
        return False
    words = sum(map(text.lower().count, _WORDS))
    return words > _LEAST_DIGITS or (words > 0 and words + len(_DIGIT.findall(text)) > _LEAST_DIGITS)


_Run = list[tuple[int, int, str]]
"""What to read in place of slices of a view, in order."""


def _hangul_runs(text: str) -> Iterator[_Run]:
    for match in _HANGUL_RUN.finditer(text):
        written = match.group()
        spelt = sum(char in _HANGUL for char in written)
        if not spelt or spelt + sum(char.isdecimal() for char in written) < _LEAST_DIGITS:
            continue
        run: _Run = []
        for place, char in enumerate(written, match.start()):
            if char in _NUMERALS:
                run.append((place, place + 1, _NUMERALS[char]))
            elif "가" <= char <= "힣":  # "다시" is how a hyphen is read aloud
                run.append((place, place + 1, "-" if char not in "시이픈" else ""))
        yield run


def _spaced_runs(text: str) -> Iterator[_Run]:
    for match in _SPACED_RUN.finditer(text):
        yield _joined([(place, place + 1, text[place]) for place in range(*match.span()) if text[place].isdecimal()])


def _word_runs(text: str) -> Iterator[_Run]:
    for match in _WORD_RUN.finditer(text):
        found = _ONE_WORD.finditer(text, match.start(), match.end())
        yield _joined([(one.start(), one.end(), _WORDS.get(one.group().lower(), one.group())) for one in found])


def _joined(digits: _Run) -> _Run:
    """Digits without what stood between them; ten of them as a North American number is written."""
    joined: _Run = []
    hyphens = {3, 6} if len(digits) == _NANP_DIGITS and digits[0][2] not in "01" else set()
    for place, (start, end, digit) in enumerate(digits):
        joined.append((start, end, f"-{digit}" if place in hyphens else digit))
        if place + 1 < len(digits):
            joined.append((end, digits[place + 1][0], ""))
    return joined


def _replaced(view: View, runs: Sequence[_Run]) -> View:
    text: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    done = 0
    for start, end, read in sorted((piece for run in runs for piece in run), key=lambda piece: piece[:2]):
        if start < done:
            continue
        text.append(view.text[done:start])
        begins.extend(view.begins[done:start])
        ends.extend(view.ends[done:start])
        if end > start:
            text.append(read)
            begins.extend([view.begins[start]] * len(read))
            ends.extend([view.ends[end - 1]] * len(read))
        done = max(done, end)
    text.append(view.text[done:])
    begins.extend(view.begins[done:])
    ends.extend(view.ends[done:])
    return View("".join(text), begins, ends)
