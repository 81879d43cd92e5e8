"""Rows -> token ids, each once: what was tokenised for an earlier turn is read from the store."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from ..ports import ConversationStore
from ..prepared_store import PreparedStore, Tokens
from ..types import Dataset, DatasetRow, Message, Split
from .candidates import CandidateRow
from .samples import TurnTemplate, fitted_prompt
from .stored_rows import stored_rows

_VERSION = "2"
_PAGE = 5000
"""Rows whose tokens are asked for at once."""
TOO_LONG = -1
"""In place of the number of a prompt's tokens: the answer alone is too long."""


@runtime_checkable
class ManyTurns(Protocol):
    """A template that encodes many rows at once and says what its ids depend on; ``lm.template.Template`` is one."""

    @property
    def tokens_digest(self) -> str:
        """Of the vocabulary and the template; empty where nothing may be kept."""
        ...

    def rows_ids(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[tuple[list[int], list[int]]]:
        """Prompt and answer of each row as ids, as ``TurnTemplate`` gives them."""
        ...


class Tokeniser:
    """Tokenises rows under one template and one longest sample.

    Args:
        store: where tokens are kept.
        template: the base's.
        max_length: most tokens of a sample.
    """

    def __init__(self, store: PreparedStore, template: TurnTemplate, max_length: int) -> None:
        self._store, self._template, self._max_length = store, template, max_length
        digest = template.tokens_digest if isinstance(template, ManyTurns) else ""
        kind = f"{_VERSION} {sys.byteorder} {max_length} {digest}"
        self._kind = hashlib.blake2b(kind.encode(), digest_size=8).hexdigest() if digest else ""

    def rows(
        self, dataset: Dataset, split: Split, conversations: ConversationStore, secret: bytes
    ) -> Iterator[tuple[DatasetRow, Tokens, bool]]:
        """Yield the rows of a split with their tokens, ``TOO_LONG`` without a sample, and whether each is a correction.

        Tokens that are kept stand for a row as long as nobody has said anything of its conversation: the database takes
        them away when it is changed. All others are made of the stored text, once it is known to be what it was.

        Raises:
            TamperedDataset: as ``stored_rows``.
        """
        every = dataset.split(split)
        for begin in range(0, len(every), _PAGE):
            page = list(every[begin : begin + _PAGE])
            kept = self._kept(page)
            left = [row for row, tokens in zip(page, kept, strict=True) if tokens is None]
            made = self._read(dataset, left, conversations, secret)
            for row, tokens in zip(page, kept, strict=True):
                yield (row, tokens, False) if tokens is not None else (row, *next(made))

    def _kept(self, rows: Sequence[DatasetRow]) -> list[Tokens | None]:
        known = self._store.tokens([row.conversation_id for row in rows], unjudged=True) if self._kind else {}
        found = [known.get((row.conversation_id, row.message_index)) for row in rows]
        return [
            one if one is not None and one.mark == self._mark(row) else None
            for row, one in zip(rows, found, strict=True)
        ]

    def _read(
        self, dataset: Dataset, rows: Sequence[DatasetRow], conversations: ConversationStore, secret: bytes
    ) -> Iterator[tuple[Tokens, bool]]:
        for some in stored_rows(conversations, dataset, rows, secret):
            yield from zip(self._of(some), (said.is_correction for _, said in some), strict=True)

    def _of(self, rows: Sequence[tuple[DatasetRow, CandidateRow]]) -> list[Tokens]:
        """The tokens of some rows; what is new is kept. Those that nobody has judged have been asked for already."""
        judged = {row.conversation_id for row, said in rows if said.conversation.feedback}
        known = self._store.tokens(judged) if self._kind and judged else {}
        marks = [self._mark(row) for row, _ in rows]
        found = [known.get((row.conversation_id, row.message_index)) for row, _ in rows]
        new = [n for n, one in enumerate(found) if one is None or one.mark != marks[n] or not self._kind]
        made = dict(zip(new, self._made([rows[n][1] for n in new], [marks[n] for n in new]), strict=True))
        if self._kind and made:
            answers = ((rows[n][0].conversation_id, rows[n][0].message_index) for n in new)
            self._store.keep_tokens(zip(answers, made.values(), strict=True))
        return [one for n, at in enumerate(found) if (one := made.get(n, at)) is not None]

    def _mark(self, row: DatasetRow) -> str:
        return f"{self._kind} {row.digest[:32]}"

    def _made(self, rows: Sequence[CandidateRow], marks: Sequence[str]) -> list[Tokens]:
        template = self._template
        if isinstance(template, ManyTurns):
            encoded = template.rows_ids([(row.prompt, row.answer) for row in rows])
        else:
            encoded = [(template.prompt_ids(row.prompt), template.answer_ids(row.answer)) for row in rows]
        return [
            self._fitted(row, mark, prompt, answer)
            for row, mark, (prompt, answer) in zip(rows, marks, encoded, strict=True)
        ]

    def _fitted(self, row: CandidateRow, mark: str, prompt: list[int], answer: list[int]) -> Tokens:
        room = self._max_length - len(answer)
        fitted = prompt if len(prompt) <= room else fitted_prompt(row.prompt, self._template, room)
        if fitted is None:
            return Tokens(mark, TOO_LONG, 0, b"")
        return Tokens(mark, len(fitted), len(row.answer.encode()), array("i", fitted + answer).tobytes())
