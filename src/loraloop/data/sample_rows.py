"""Samples of a whole split, kept as numbers: four bytes a token.

Each ``Sample`` is made when it is asked for, so that memory hardly grows with the number of rows.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import overload

from ..types import DatasetRow, Sample
from .samples import IGNORED_LABEL


class SampleRows(Sequence[Sample]):
    """A sequence of samples that can be added to; equal to any sequence of the same samples.

    Args:
        rows: those that samples may be made of.
    """

    def __init__(self, rows: Sequence[DatasetRow]) -> None:
        self._ids = array("i")
        self._ends = array("q", [0])
        self._prompts = array("i")
        self._bytes = array("i")
        self._every = rows
        self._rows = array("q")
        self._order = array("i")

    def add(self, place: int, ids: bytes, prompt_tokens: int, text_bytes: int) -> None:
        """Add the sample of a row; it stands once in the sequence.

        Args:
            place: of the row among those given.
            ids: four bytes a token, as this machine counts.
            prompt_tokens: how many of them are the prompt's.
            text_bytes: of the answer.
        """
        self._ids.frombytes(ids)
        self._ends.append(len(self._ids))
        self._prompts.append(prompt_tokens)
        self._bytes.append(text_bytes)
        self._order.append(len(self._rows))
        self._rows.append(place)

    def repeat(self, places: Sequence[int], times: int) -> None:
        """Let the samples at some places, counted as they were added, come so many times each."""
        often = set(places)
        counted = ((place, times if place in often else 1) for place in range(len(self._rows)))
        self._order = array("i", (place for place, count in counted for _ in range(count)))

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> list[Sample]: ...

    def __getitem__(self, place: int | slice) -> Sample | list[Sample]:
        if isinstance(place, slice):
            return [self._sample(one) for one in self._order[place]]
        return self._sample(self._order[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} samples>"

    def _sample(self, number: int) -> Sample:
        ids = tuple(self._ids[self._ends[number] : self._ends[number + 1]])
        prompt, row = self._prompts[number], self._every[self._rows[number]]
        labels = (*(IGNORED_LABEL,) * prompt, *ids[prompt:])
        return Sample(ids, labels, row.conversation_id, row.message_index, self._bytes[number], row.digest)
