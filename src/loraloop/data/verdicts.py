"""What the checks say of an answer's words, each worked out once and read from the store in later turns.

Kept is what depends on nothing but the row, the settings and this program: consent, approval and what people say may
change at any time and are asked each time. Nothing is kept where a setting names a check of one's own.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib import resources
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from ..prepared_store import Answer, PreparedStore, Verdict
from ..types import Conversation
from .candidates import CandidateRow
from .quality import DataQualityConfig, verdict_on

_PAGE = 1000


class Verdicts:
    """Verdicts of answers under one set of checks.

    Args:
        store: where they are kept; ``None`` keeps none.
        config: the checks.
    """

    def __init__(self, store: PreparedStore | None, config: DataQualityConfig) -> None:
        own = any(":" in name for name in config.checks)
        self._store, self._config = None if own else store, config
        self._rules = _rules(config) if self._store is not None else ""
        self._known: dict[Answer, Verdict] = {}
        self._new: dict[Answer, Verdict] = {}

    def reading(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        """Yield conversations as they come, having asked the store for what is known of a page of them."""
        left = iter(conversations)
        while page := list(islice(left, _PAGE)):
            if self._store is not None:
                self._known.update(self._store.verdicts([one.id for one in page]))
            yield from page
            if len(self._new) >= _PAGE:
                self.keep()

    def of(self, row: CandidateRow, digest: str) -> str:
        """Return the code of the first reason in a row's words to drop it; empty to keep it.

        Args:
            row: the answer.
            digest: ``candidates.row_digest`` of it.
        """
        if self._store is None:
            return verdict_on(row, self._config)
        answer = (row.conversation.id, row.message_index)
        mark = self._mark(row, digest)
        known = self._known.pop(answer, None)
        if known is not None and known.mark == mark:
            return known.reason
        self._new[answer] = Verdict(mark, verdict_on(row, self._config))
        return self._new[answer].reason

    def keep(self) -> None:
        """Write down what is new."""
        if self._store is not None and self._new:
            self._store.keep_verdicts(self._new.items())
        self._new = {}

    def _mark(self, row: CandidateRow, digest: str) -> str:
        kinds = "" if row.parts_are_text else "other "
        for message in row.prompt:
            if any(part.kind != "text" for part in message.content):
                kinds += message.role + ",".join(part.kind for part in message.content)
        said = f"{self._rules} {digest} {row.is_correction} {row.conversation.quality_score} {kinds}"
        return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()


def _rules(config: DataQualityConfig) -> str:
    """A digest of the checks: the settings, the word lists they name, and the program that asks them."""
    files = [hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()
             for path in config.unfit_words if Path(path).expanduser().is_file()]  # fmt: skip
    return hashlib.sha256(f"{config.model_dump_json()} {files} {_program()}".encode()).hexdigest()


@cache
def _program() -> str:
    """A digest of everything here that can change a verdict, so that nobody has to count versions by hand."""
    hasher = hashlib.sha256(f"{unicodedata.unidata_version} {version('phonenumbers')}".encode())
    package = resources.files("loraloop")
    for folder in (package / "text", package / "data", package / "data" / "word_lists"):
        for file in sorted(_files(folder.iterdir()), key=lambda one: one[0]):
            hasher.update(f"{file[0]} ".encode() + file[1])
    return hasher.hexdigest()


def _files(found: Iterable[resources.abc.Traversable]) -> Collection[tuple[str, bytes]]:
    return [(one.name, one.read_bytes()) for one in found if one.is_file() and one.name.endswith((".py", ".txt"))]
