"""Which rows make which step, decided by the seed alone, so that a resumed run sees the same order."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from ..types import Sample

IGNORED = -100
_WINDOW_STEPS = 8


def prompt_of(sample: Sample) -> tuple[int, ...]:
    """The unsupervised opening of a sample; the whole of it where everything is supervised."""
    opening = tuple(i for i, label in zip(sample.input_ids, sample.labels, strict=True) if label == IGNORED)
    return opening or sample.input_ids


def split_samples(samples: Sequence[Sample], validation_frac: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Split into train and validation so that no prompt stands on both sides.

    Args:
        validation_frac: share of rows for validation, 0..1; 0 gives none. Otherwise both sides get at least one
            row, unless all rows share one prompt.

    Returns:
        (train, validation), each in the order given.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, sample in enumerate(samples):
        groups.setdefault(prompt_of(sample), []).append(row)
    wanted = max(1, round(len(samples) * validation_frac)) if validation_frac > 0 else 0
    held: set[int] = set()
    order = list(groups.values())
    random.Random(f"split-{seed}").shuffle(order)
    for rows in order[:-1]:
        if len(held) >= wanted:
            break
        held.update(rows)
    train = [sample for row, sample in enumerate(samples) if row not in held]
    return train, [samples[row] for row in sorted(held)]


def steps_of_epoch(lengths: Sequence[int], rows_per_step: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the rows of each optimiser step of one epoch; every row exactly once.

    Rows are shuffled, then rows of similar length are put together within windows of a few steps (attention wastes
    less), and the steps shuffled again.
    """
    random_ = random.Random(f"order-{seed}-{epoch}")
    rows = list(range(len(lengths)))
    random_.shuffle(rows)
    window = rows_per_step * _WINDOW_STEPS
    steps: list[list[int]] = []
    for begin in range(0, len(rows), window):
        near = sorted(rows[begin : begin + window], key=lambda row: (lengths[row], row))
        steps.extend(near[n : n + rows_per_step] for n in range(0, len(near), rows_per_step))
    random_.shuffle(steps)
    return steps


def all_steps(
    lengths: Sequence[int], rows_per_step: int, seed: int, epochs: int, min_steps: int = 1
) -> list[list[int]]:
    """Return the rows of every optimiser step of a training.

    Args:
        lengths: tokens of each row.
        epochs: passes over the rows; as many more as it takes to reach ``min_steps`` steps.

    Example:
        >>> len(all_steps([5] * 16, rows_per_step=8, seed=0, epochs=2, min_steps=9))
        10
    """
    if not lengths:
        return []
    passes = max(epochs, math.ceil(min_steps / math.ceil(len(lengths) / rows_per_step)))
    return [rows for epoch in range(passes) for rows in steps_of_epoch(lengths, rows_per_step, seed, epoch)]


def learning_rate_factor(step: int, steps: int, warmup_steps: int) -> float:
    """Linear rise over the warm-up (capped at a tenth of all steps), then a cosine down to a tenth of the peak.

    Args:
        step: 0-based optimiser step about to be taken.

    Example:
        >>> round(learning_rate_factor(0, 100, 10), 2), round(learning_rate_factor(10, 100, 10), 2)
        (0.1, 1.0)
    """
    warmup = min(warmup_steps, steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress))
