"""The rows of a dataset with their text, read from the store a page at a time and checked against the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import TamperedDataset
from ..ports import ConversationStore
from ..types import Dataset, DatasetRow
from .candidates import CandidateRow, row_as_it_was

PAGE = 4000
"""Rows whose text is in memory at once, and whose tokens are kept in one transaction."""


def stored_rows(
    conversations: ConversationStore, dataset: Dataset, rows: Sequence[DatasetRow], secret: bytes
) -> Iterator[list[tuple[DatasetRow, CandidateRow]]]:
    """Yield pages of some rows of a dataset, each row with what it was made of.

    Raises:
        TamperedDataset: a row was changed or erased since the dataset was made, or the secret is another.
    """
    for begin in range(0, len(rows), PAGE):
        page = list(rows[begin : begin + PAGE])
        stored = conversations.some({row.conversation_id for row in page})
        found: list[tuple[DatasetRow, CandidateRow]] = []
        for row in page:
            conversation = stored.get(row.conversation_id)
            if conversation is None or conversation.bot != dataset.bot:
                raise TamperedDataset(f"dataset {dataset.id}: a conversation of it is gone")
            said = row_as_it_was(conversation, row, secret)
            if said is None:
                raise TamperedDataset(f"dataset {dataset.id}: a conversation of it is not what it was")
            found.append((row, said))
        yield found
