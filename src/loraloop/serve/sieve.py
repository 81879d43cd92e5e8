"""What of an answer may be shown now: the rest is held back until no guard can find anything that begins in it."""

from __future__ import annotations

from collections.abc import Sequence

from .guards import Guard, Hit

STEP_CHARS = 4
"""So many new characters are looked at together: looking costs more than the wait of a token."""
BREAK = "\n\n"
"""Stands between what was shown before a hit and the reply in the place of the rest."""


class Sieve:
    """Lets an answer through piece by piece.

    Args:
        guards: who look at it. question: in whose language a reply is.

    Attributes:
        shown: what was let through so far, a reply included. hit: what a guard found. reply: said in its place.
    """

    def __init__(self, guards: Sequence[Guard], question: str) -> None:
        self._guards, self._question = guards, question
        self._text = ""
        self._cleared = self._judged = 0
        self.shown = self.reply = ""
        self.hit: Hit | None = None

    def push(self, text: str, last: bool = False) -> str:
        """Take a new piece; returns what may be shown now. After a hit nothing more comes through."""
        if self.hit is not None:
            return ""
        if not self._guards:
            self.shown += text
            return text
        self._text += text
        if not last and len(self._text) - self._judged < STEP_CHARS:
            return ""
        self._judged = len(self._text)
        end = max(self._cleared, len(self._text) - (0 if last else self._held()))
        if end == self._cleared and not last:
            return ""  # nothing is about to be shown, so nothing needs to be judged: looking costs milliseconds
        self.hit = self._found(end)
        if self.hit is not None:
            self.reply = self.hit.reply_to(self._question)
            told = (BREAK if self.shown else "") + self.reply
        else:
            told, self._cleared = self._text[self._cleared : end], end
        self.shown += told
        return told

    def _held(self) -> int:
        """How many characters of the end are not decided yet."""
        most = 0
        for guard in self._guards:
            held = guard.undecided(self._text)
            if held > most:
                most = held
        return most

    def _found(self, end: int) -> Hit | None:
        """The first thing to stop that begins before ``end``: what begins there may become harmless by what follows."""
        first = None
        for guard in self._guards:
            hit = guard.answered(self._text, self._cleared)
            if hit is not None and hit.start < (end if first is None else first.start):
                first = hit
        return first
