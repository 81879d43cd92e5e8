"""Rows of unequal length in one sequence without padding, and the index maps attention needs.

Rows are laid end to end, longest first. A start that all rows share (a system prompt, the head of a chat template)
is laid once, before them: under a causal mask its hidden states are the same in every row. Attention alone works on
small rectangles: rows of similar length form a group, each group is gathered to (rows, longest) and scattered back.
A padded tail is never seen by a real token, so no mask but the triangle is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ..types import Sample

IGNORED = -100
_SLACK_TOKENS = 12
_SLACK_FRAC = 0.25
_GPU_SLACK_FRAC = 0.75
"""Larger, since there a kernel that computes padding costs less than launching several without."""
_WORTH_SHARING = 3
"""Shared tokens below which laying them once saves less than it costs."""


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
class Layout:
    """Which tokens of a packed batch attend to which.

    Attributes:
        shared: tokens at the beginning that every row starts with; 0 where each row stands alone.
        groups: the rest of each row.
    """

    shared: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed batch. T tokens, S supervised positions.

    Attributes:
        input_ids_1T, position_ids_1T: what the model reads; positions start anew in every row, after the shared start.
        supervised_S: positions whose next token is learnt; targets_S: that token; row_S: index of its row in the
            sequence ``pack`` was given (always on the CPU).
    """

    input_ids_1T: torch.Tensor
    position_ids_1T: torch.Tensor
    supervised_S: torch.Tensor
    targets_S: torch.Tensor
    row_S: torch.Tensor
    layout: Layout

    @property
    def tokens(self) -> int:
        """Tokens the model reads; fewer than the rows have where they share a start."""
        return self.input_ids_1T.shape[1]


def group_rows(lengths: Sequence[int], slack_frac: float = _SLACK_FRAC) -> list[list[int]]:
    """Split rows (given by length, longest first) into groups that waste little padding.

    Args:
        slack_frac: how much shorter than its longest row a group's rows may be, 0..1.

    Example:
        >>> group_rows([100, 95, 40, 38])
        [[0, 1], [2, 3]]
    """
    groups: list[list[int]] = []
    for row, length in enumerate(lengths):
        if groups and lengths[groups[-1][0]] - length <= max(_SLACK_TOKENS, slack_frac * lengths[groups[-1][0]]):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def shared_start(samples: Sequence[Sample]) -> int:
    """Return how many first tokens all samples share before anything is learnt; 0 where sharing is not worth it.

    Example:
        >>> from loraloop.types import Sample
        >>> prompt, hidden = tuple(range(10)), (IGNORED,) * 11
        >>> shared_start([Sample((*prompt, 50, n), (*hidden, n)) for n in (60, 61)])
        10
    """
    if len(samples) < 2:
        return 0
    # The token before the first learnt one predicts it, so it stays with its row.
    firsts = (next((n for n, label in enumerate(s.labels) if label != IGNORED), len(s.labels)) for s in samples)
    limit = min(firsts) - 1
    first, *others = (sample.input_ids for sample in samples)
    for place in range(limit):
        if any(ids[place] != first[place] for ids in others):
            limit = place
            break
    return limit if limit >= _WORTH_SHARING else 0


def pack(samples: Sequence[Sample], *, share: bool = True, device: Any = "cpu") -> Packed:
    """Lay samples end to end, longest first. Needs at least one sample; a sample needs at least one token.

    Args:
        share: lay a start that all samples share once.
        device: where the model that reads it is.
    """
    import torch

    shared = shared_start(samples) if share else 0
    order = sorted(range(len(samples)), key=lambda row: (-len(samples[row].input_ids), row))
    ids: list[int] = list(samples[0].input_ids[:shared])
    positions: list[int] = list(range(shared))
    supervised: list[int] = []
    targets: list[int] = []
    rows: list[int] = []
    for row in order:
        sample, start = samples[row], len(ids)
        ids.extend(sample.input_ids[shared:])
        positions.extend(range(shared, len(sample.input_ids)))
        for place, label in enumerate(sample.labels[shared + 1 :]):
            if label != IGNORED:
                supervised.append(start + place)
                targets.append(label)
                rows.append(row)
    lengths = [len(samples[row].input_ids) - shared for row in order]
    return Packed(
        input_ids_1T=torch.tensor([ids], device=device),
        position_ids_1T=torch.tensor([positions], device=device),
        supervised_S=torch.tensor(supervised, dtype=torch.long, device=device),
        targets_S=torch.tensor(targets, dtype=torch.long, device=device),
        row_S=torch.tensor(rows, dtype=torch.long),
        layout=Layout(shared, tuple(_groups(lengths, shared, device))),
    )


def _groups(lengths: Sequence[int], begin: int, device: Any) -> Iterator[Group]:
    import torch

    slack_frac = _SLACK_FRAC if str(device) == "cpu" else _GPU_SLACK_FRAC
    for members in group_rows(lengths, slack_frac):
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
        maps = (torch.tensor(places, device=device) for places in (gather, scatter))
        yield Group(begin, begin + start, len(members), longest, *maps)
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


def supervised_tokens(samples: Sequence[Sample]) -> int:
    """Answer tokens that carry a loss (the first token of a row never does)."""
    return sum(label != IGNORED for sample in samples for label in sample.labels[1:])
