"""The rows of a dataset: what each says, and very many of them in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args, overload

from .packed import Texts
from .record import Record

Split = Literal["train", "validation", "gate"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
_CODES: Final = {name: code for code, name in enumerate(SPLITS)}


@dataclass(frozen=True, slots=True)
class DatasetRow(Record):
    """One training or judging target: an assistant message of a conversation, by reference, never by text.

    Attributes:
        message_index: position of the target assistant message.
        digest: keyed digest (HMAC-SHA-256, hex) of the row's text, to notice a change without revealing it.
    """

    conversation_id: str
    message_index: int
    split: Split
    digest: str


class RowColumns:
    """Rows that can be added to, in columns.

    Attributes:
        splits: of each row, by its place in ``SPLITS``.
    """

    def __init__(self) -> None:
        self.conversations = Texts()
        self.messages = array("q")
        self.splits = bytearray()
        self.digests = Texts()

    def __len__(self) -> int:
        return len(self.splits)

    def add(self, conversation_id: str, message_index: int, split: Split, digest: str) -> None:
        """Add what ``DatasetRow`` says."""
        self.conversations.append(conversation_id)
        self.messages.append(message_index)
        self.splits.append(_CODES[split])
        self.digests.append(digest)


class DatasetRows(Sequence[DatasetRow]):
    """Rows in order, a hundred bytes each: every ``DatasetRow`` is made when it is asked for.

    Equal to any sequence of the same rows.
    """

    __slots__ = ("_columns", "_places")

    def __init__(self, rows: Iterable[DatasetRow] = ()) -> None:
        self._columns = RowColumns()
        for row in rows:
            self._columns.add(row.conversation_id, row.message_index, row.split, row.digest)
        self._places: Sequence[int] = range(len(self._columns))

    @staticmethod
    def of(columns: RowColumns, places: Sequence[int]) -> DatasetRows:
        """Return some rows of columns, which nobody may add to from then on."""
        found = DatasetRows()
        found._columns, found._places = columns, places
        return found

    def split(self, name: Split) -> DatasetRows:
        """Return the rows of one split, in order."""
        code, splits = SPLITS.index(name), self._columns.splits
        return DatasetRows.of(self._columns, array("q", (place for place in self._places if splits[place] == code)))

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[DatasetRow]:
        return map(self._row, self._places)

    @overload
    def __getitem__(self, number: int) -> DatasetRow: ...

    @overload
    def __getitem__(self, number: slice) -> DatasetRows: ...

    def __getitem__(self, number: int | slice) -> DatasetRow | DatasetRows:
        if isinstance(number, slice):
            return DatasetRows.of(self._columns, self._places[number])
        return self._row(self._places[number])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def _row(self, place: int) -> DatasetRow:
        one = self._columns
        return DatasetRow(one.conversations[place], one.messages[place], SPLITS[one.splits[place]], one.digests[place])
