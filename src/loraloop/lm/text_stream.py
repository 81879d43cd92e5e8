"""Tokens to text, piece by piece: what was sent never has to be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\ufffd"


class TextStream:
    """Decodes an answer as it grows. All pieces together are what ``Template.answer_text`` says of the whole.

    Held back: bytes of a character that is not whole yet, white space at the end, and whatever could be the beginning
    of a text that ends the answer.

    Args:
        tokenizer: a transformers tokenizer.
        stops: texts before which the answer ends.

    Attributes:
        stopped: such a text came; nothing more will be said.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stops = [stop for stop in stops if stop]
        self._ids: list[int] = []
        self._from, self._read = 0, 0  # tokens whose text stands before the window, and those whose text is known
        self._held = ""
        self._begun = False
        self.stopped = False

    def add(self, token: int) -> str:
        """The text that this token makes certain."""
        self._ids.append(token)
        before, now = self._text(self._from, self._read), self._text(self._from, len(self._ids))
        if now.endswith(_UNFINISHED) or len(now) <= len(before):
            return ""
        self._from, self._read = self._read, len(self._ids)
        return self._said(now[len(before) :], final=False)

    def end(self) -> str:
        """What is still held back when no token follows."""
        if self.stopped:
            return ""
        before, now = self._text(self._from, self._read), self._text(self._from, len(self._ids))
        return self._said(now[len(before) :], final=True)

    def _text(self, begin: int, end: int) -> str:
        return str(self._tokenizer.decode(self._ids[begin:end], skip_special_tokens=True)) if end > begin else ""

    def _said(self, new: str, *, final: bool) -> str:
        self._held += new
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = final = True
            self._held = self._held[: min(found)]
        if not self._begun:
            self._held = self._held.lstrip()
        keep = 0 if final else self._kept()
        text, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        rest = text[len(text.rstrip()) :]
        text, self._held = text.rstrip(), "" if final else rest + self._held
        self._begun = self._begun or bool(text)
        return text

    def _kept(self) -> int:
        """Characters at the end that could begin a stop."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for size in range(min(longest, len(self._held)), 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stops):
                return size
        return 0
