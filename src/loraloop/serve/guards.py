"""Guards at serving time: each looks at what was asked or at the answer so far, and may speak in the model's place.

Lists, not classifiers: they are read and changed by people, and each hit can be explained by one line. They are a floor
under the suites of the gate, and promise neither to find everything nor to understand anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from ..errors import SettingsError
from ..text.language import language
from ..text.normalise import match_key
from ..text.redact import findings
from .config import ServeConfig

_BORDER = re.compile("[가-힣ㄱ-ㅎ]")
_DIGITS = re.compile(r"[\d@_]|골뱅이|앳|\(at?\)|\[at\]|-----|^[공영일이삼사오육륙칠팔구oOlI.\-~·]{2,}$", re.IGNORECASE)
_ANY_DIGITS = re.compile(
    r"[\d@_]|골뱅이|앳|\(at?\)|\[at\]|-----|(?<!\S)[공영일이삼사오육륙칠팔구oOlI.\-~·]{2,}(?!\S)", re.IGNORECASE
)
_ASCII = re.compile("[A-Za-z]")
_PLAIN = re.compile("[\x00-\x7f가-힣]*")
_SUSPECT = frozenset("0123456789@_([-앳뱅공영일이삼사오육륙칠팔구")
_RARE = frozenset("0123456789@_([-앳뱅공영JKIz")
"""Without one of these nothing can be personal data, but for what follows a key word; see text/personal.py."""
_SIGN = re.compile(r"@|골뱅이|앳|\(at?\)|\[at\]|-----", re.IGNORECASE)
_TOKEN = re.compile(r"\S+")
_WINDOW_CHARS, _QUICK_CHARS, _BEFORE_CHARS, _AFTER_CHARS = 128, 48, 32, 20
"""How far back a word may belong to personal data in the making; how near words decide what a number is."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What a guard found: its name, the topic, where in the answer it begins, and the reply in its place."""

    guard: str
    topic: str
    reply: Mapping[str, str]
    start: int = 0

    def reply_to(self, question: str) -> str:
        """The reply in the language of the question."""
        return self.reply["en" if language(question) in ("en", "other") else "ko"]


class Guard(Protocol):
    """One guard. It answers for questions, for answers, or for both."""

    name: str

    def asked(self, question: str) -> Hit | None:
        """What is wrong with what the user wrote since the last answer."""
        ...

    def answered(self, answer: str, cleared: int) -> Hit | None:
        """What is wrong with an answer, of which ``cleared`` characters were shown already."""
        ...

    def undecided(self, answer: str) -> int:
        """Length of the answer's end that may still become something to stop, in characters."""
        ...


class Distress:
    """A person tells of self-harm, abuse, bullying or hunger."""

    name = "distress"

    def __init__(self, listed: Mapping[str, Any]) -> None:
        self._topics = [
            (one["topic"], _korean(one["ko"]), _english(one["en"]), dict(one["reply"])) for one in listed["topics"]
        ]
        self._ascii_topics = [
            (topic, [one for one in korean if one[0].isascii()], english, reply)
            for topic, korean, english, reply in self._topics
        ]
        self._any_english = _english([phrase for one in listed["topics"] for phrase in one["en"]])

    def asked(self, question: str) -> Hit | None:
        """The first topic that the words speak of."""
        key = match_key(question)
        glued, has_english = key.replace(" ", ""), self._any_english.search(key) is not None
        for topic, korean, english, reply in self._ascii_topics if key.isascii() else self._topics:
            if (has_english and english.search(key)) or any(
                phrase in (glued if glue else key) for phrase, glue in korean
            ):
                return Hit(self.name, topic, reply)
        return None

    def answered(self, answer: str, cleared: int) -> Hit | None:
        """Nothing: an answer may name help lines."""
        return None

    def undecided(self, answer: str) -> int:
        """Nothing is waited for."""
        return 0


class UnfitWords:
    """An answer holds a word that a child must not read."""

    name = "unfit_words"

    def __init__(self, listed: Mapping[str, Any]) -> None:
        words, self._reply = [*listed["ko"], *listed["en"]], dict(listed["reply"])
        self._allowed = re.compile("|".join(map(re.escape, listed.get("allowed", ()))) or "(?!)", re.IGNORECASE)
        self._words = re.compile("|".join(map(_word, words)), re.IGNORECASE)
        self._stems = tuple(word.rstrip("*").lower() for word in words)
        self._ascii_stems = tuple(stem for stem in self._stems if stem.isascii())
        self._longest = max(len(word) for word in [*words, *listed.get("allowed", ())]) + 1

    def asked(self, question: str) -> Hit | None:
        """Nothing: a child may ask what a word means."""
        return None

    def answered(self, answer: str, cleared: int) -> Hit | None:
        """The first such word."""
        begin = max(0, cleared - self._longest)
        tail = answer[begin:].lower()
        for stem in self._ascii_stems if tail.isascii() else self._stems:
            if stem in tail:
                break
        else:
            return None
        for found in self._words.finditer(answer, begin):
            if not any(one.start() <= found.start() < one.end() for one in self._allowed.finditer(answer, begin)):
                return Hit(self.name, "word", self._reply, found.start())
        return None

    def undecided(self, answer: str) -> int:
        """The length of the longest word."""
        return self._longest


class PersonalData:
    """An answer holds personal data, which a model can only have from what it learnt or was told by another."""

    name = "personal_data"

    def __init__(self, listed: Mapping[str, Any]) -> None:
        self._reply = dict(listed["reply"])

    def asked(self, question: str) -> Hit | None:
        """Nothing: what a user tells of themselves is redacted before it is stored."""
        return None

    def answered(self, answer: str, cleared: int) -> Hit | None:
        """The first finding."""
        begin = answer.rfind(" ", 0, max(0, cleared - _BEFORE_CHARS)) + 1
        window = answer[begin:]
        if _RARE.isdisjoint(window) and _PLAIN.fullmatch(window) and not _holds_a_key_word(window):
            return None  # the usual case, at a tenth of the cost
        found = next(iter(findings(window)), None)
        return None if found is None else Hit(self.name, found[2], self._reply, begin + found[0])

    def undecided(self, answer: str) -> int:
        """Everything from the first word of which a number, address or key may be in the making.

        That is: the last two words, where they are in Latin letters (they may become an address); a number whose
        next words may say that it is an account; and whatever hangs together with these.
        """
        begin = answer.rfind(" ", 0, max(0, len(answer) - _WINDOW_CHARS)) + 1
        lately = answer[max(begin, len(answer) - _QUICK_CHARS) :]
        if _SUSPECT.isdisjoint(lately) or not _ANY_DIGITS.search(lately):  # the usual case, at a tenth of the cost
            end = answer.rfind(" ", 0, len(answer.rstrip())) + 1
            before = answer.rfind(" ", 0, max(0, end - 1)) + 1
            return len(answer) - (before if _ASCII.search(answer, before, end) else end)
        words = [(m.start(), m.end(), m.group()) for m in _TOKEN.finditer(answer, begin)]
        first = len(words)
        for place in range(len(words) - 1, -1, -1):
            _, end, word = words[place]
            late = len(words) - place <= 2 and (_ASCII.search(word) or place == len(words) - 1)
            near, recent = end > len(answer) - _AFTER_CHARS, len(words) - place <= 6
            if late or (_DIGITS.search(word) and (near or first == place + 1 or (recent and _SIGN.search(word)))):
                first = place - 1 if _SIGN.search(word) and place else place
            elif not near and not recent:
                break
        return len(answer) - words[first][0] if first < len(words) else 0


def _holds_a_key_word(window: str) -> bool:
    folded = window.lower()
    return "bearer" in folded or "basic" in folded


def guards_of(config: ServeConfig) -> tuple[Guard, ...]:
    """Return the guards that the settings switch on.

    Raises:
        SettingsError: a list cannot be read.
    """
    kinds: Iterable[tuple[bool, Any]] = (
        (config.guard_distress, Distress),
        (config.guard_unfit_words, UnfitWords),
        (config.guard_personal_data, PersonalData),
    )
    return tuple(kind(_listed(kind.name, config.guard_folder)) for wanted, kind in kinds if wanted)


_KINDS = (Distress, UnfitWords, PersonalData)


def _listed(name: str, folder: str) -> Mapping[str, Any]:
    own = Path(folder).expanduser() / f"{name}.json" if folder else None
    if own is not None and not any((own.parent / f"{kind.name}.json").exists() for kind in _KINDS):
        names = ", ".join(f"{kind.name}.json" for kind in _KINDS)
        raise SettingsError(f"[serve] guard_folder: {folder} holds none of {names}", hint="see docs/how-to/serve.md")
    where = own if own is not None and own.exists() else resources.files(__package__) / "guard_files" / f"{name}.json"
    try:
        listed = json.loads(where.read_text(encoding="utf-8-sig"))
        replies = [one["reply"] for one in listed["topics"]] if "topics" in listed else [listed["reply"]]
        if not all(reply[tongue].strip() for reply in replies for tongue in ("ko", "en")):
            raise ValueError("a reply is empty")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"[serve] guard_folder: {name}.json: {error}", hint="see docs/how-to/serve.md") from error
    return dict(listed)


def _korean(phrases: Sequence[str]) -> list[tuple[str, bool]]:
    """Phrases as they are looked for. From three syllables on spaces do not matter; two could meet by chance."""
    keys = [match_key(phrase) for phrase in phrases]
    return [(key.replace(" ", ""), True) if len(key) > 2 else (key, False) for key in keys]


def _english(phrases: Sequence[str]) -> re.Pattern[str]:
    words = "|".join(re.escape(one.rstrip("*")) + (r"\w*" if one.endswith("*") else "") for one in phrases)
    return re.compile(rf"\b(?:{words})\b")


def _word(word: str) -> str:
    if _BORDER.search(word):
        return re.escape(word)
    return rf"(?<![A-Za-z]){re.escape(word.rstrip('*'))}" + ("" if word.endswith("*") else "(?![A-Za-z])")
