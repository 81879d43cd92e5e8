"""Rows of unequal length in one sequence without padding, and the index maps attention needs.

Rows are laid end to end, longest first. Attention alone works on small rectangles: rows of similar length form a
group, each group is gathered to (rows, longest) and scattered back. Under a causal mask a padded tail is never seen
by a real token, so no mask but the triangle is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from ..types import Sample

IGNORED = -100
_SLACK_TOKENS = 12
_SLACK_FRAC = 0.25


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring rows of similar length.

    Attributes:
        begin, end: the group's slice of the packed sequence.
        rows, longest: extent of its rectangle.
        gather_BL: for each cell of the rectangle, the position within the slice (padding repeats the row's last).
        scatter_N: for each position of the slice, its cell.
    """

    begin: int
    end: int
    rows: int
    longest: int
    gather_BL: torch.Tensor
    scatter_N: torch.Tensor


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed batch. T tokens, S supervised positions.

    Attributes:
        input_ids_1T, position_ids_1T: what the model reads; positions restart at 0 in every row.
        supervised_S: positions whose next token is learnt; targets_S: that token; row_S: index of its row in the
            sequence ``pack`` was given.
    """

    input_ids_1T: torch.Tensor
    position_ids_1T: torch.Tensor
    supervised_S: torch.Tensor
    targets_S: torch.Tensor
    row_S: torch.Tensor
    groups: tuple[Group, ...]

    @property
    def tokens(self) -> int:
        """Tokens in the batch, prompts and answers."""
        return self.input_ids_1T.shape[1]


def group_rows(lengths: Sequence[int]) -> list[list[int]]:
    """Split rows (given by length, longest first) into groups that waste little padding.

    Example:
        >>> group_rows([100, 95, 40, 38])
        [[0, 1], [2, 3]]
    """
    groups: list[list[int]] = []
    for row, length in enumerate(lengths):
        if groups and lengths[groups[-1][0]] - length <= max(_SLACK_TOKENS, _SLACK_FRAC * lengths[groups[-1][0]]):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def pack(samples: Sequence[Sample]) -> Packed:
    """Lay samples end to end, longest first. Needs at least one sample; a sample needs at least one token."""
    import torch

    order = sorted(range(len(samples)), key=lambda row: (-len(samples[row].input_ids), row))
    lengths = [len(samples[row].input_ids) for row in order]
    ids: list[int] = []
    positions: list[int] = []
    supervised: list[int] = []
    targets: list[int] = []
    rows: list[int] = []
    for row in order:
        sample, start = samples[row], len(ids)
        ids.extend(sample.input_ids)
        positions.extend(range(len(sample.input_ids)))
        for place, label in enumerate(sample.labels[1:]):
            if label != IGNORED:
                supervised.append(start + place)
                targets.append(label)
                rows.append(row)
    return Packed(
        input_ids_1T=torch.tensor([ids]),
        position_ids_1T=torch.tensor([positions]),
        supervised_S=torch.tensor(supervised, dtype=torch.long),
        targets_S=torch.tensor(targets, dtype=torch.long),
        row_S=torch.tensor(rows, dtype=torch.long),
        groups=tuple(_groups(lengths)),
    )


def _groups(lengths: Sequence[int]) -> Iterator[Group]:
    import torch

    begin = 0
    for members in group_rows(lengths):
        longest = lengths[members[0]]
        gather: list[int] = []
        scatter: list[int] = []
        start = 0
        for cell, row in enumerate(members):
            length = lengths[row]
            gather.extend(range(start, start + length))
            gather.extend([start + length - 1] * (longest - length))
            scatter.extend(range(cell * longest, cell * longest + length))
            start += length
        yield Group(begin, begin + start, len(members), longest, torch.tensor(gather), torch.tensor(scatter))
        begin += start


def batches(samples: Sequence[Sample], token_budget: int) -> Iterator[list[int]]:
    """Yield indices into ``samples``, longest rows first, of at most ``token_budget`` tokens a batch (or one row)."""
    order = sorted(range(len(samples)), key=lambda row: (-len(samples[row].input_ids), row))
    batch: list[int] = []
    tokens = 0
    for row in order:
        length = len(samples[row].input_ids)
        if batch and tokens + length > token_budget:
            yield batch
            batch, tokens = [], 0
        batch.append(row)
        tokens += length
    if batch:
        yield batch
