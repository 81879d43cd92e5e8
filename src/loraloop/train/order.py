"""Which rows make which step, decided by the seed alone, so that a resumed run sees the same order."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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


def steps_of_epoch(samples: Sequence[Sample], rows_per_step: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the rows of each optimiser step of one epoch; every row exactly once.

    Rows are shuffled, copies of one row (a correction) evenly over the epoch: in one step together they would count as
    one lesson. Then rows of similar length are put together within windows of a few steps (attention wastes less), and
    the steps shuffled again.
    """
    random_ = random.Random(f"order-{seed}-{epoch}")
    copies: dict[tuple[int, ...], list[int]] = {}
    for row, sample in enumerate(samples):
        copies.setdefault(tuple(sample.input_ids), []).append(row)
    place = {row: (n + random_.random()) / len(alike) for alike in copies.values() for n, row in enumerate(alike)}
    rows = sorted(place, key=lambda row: place[row])
    window = rows_per_step * _WINDOW_STEPS
    steps: list[list[int]] = []
    for begin in range(0, len(rows), window):
        near = sorted(rows[begin : begin + window], key=lambda row: (len(samples[row].input_ids), row))
        steps.extend(near[n : n + rows_per_step] for n in range(0, len(near), rows_per_step))
    random_.shuffle(steps)
    return steps


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a training is.

    Attributes:
        rows_per_step: rows of one optimiser step.
        epochs: passes over the rows; as many more as it takes to reach ``min_steps`` steps.
        max_tokens: tokens after which training ends whatever the rest says; 0 is no limit. The pass it falls into
            takes rows at random, those first that stand more than once (corrections do).
    """

    rows_per_step: int
    epochs: int
    min_steps: int = 1
    max_tokens: int = 0


def all_steps(samples: Sequence[Sample], plan: Plan, seed: int) -> list[list[int]]:
    """Return the rows of every optimiser step of a training; at least one step where there are samples.

    Example:
        >>> from loraloop.types import Sample
        >>> rows = [Sample((1, 2, n), (IGNORED, 2, n)) for n in range(16)]
        >>> len(all_steps(rows, Plan(rows_per_step=8, epochs=2, min_steps=9), seed=0))
        10
        >>> len(all_steps(rows, Plan(rows_per_step=8, epochs=2, max_tokens=3 * 24), seed=0))
        3
    """
    if not samples:
        return []
    lengths = [len(sample.input_ids) for sample in samples]
    passes = max(plan.epochs, math.ceil(plan.min_steps / math.ceil(len(samples) / plan.rows_per_step)))
    steps: list[list[int]] = []
    left = plan.max_tokens or sum(lengths) * passes
    for epoch in range(passes):
        rows = _affordable(samples, left, random.Random(f"rows-{seed}-{epoch}"))
        left -= sum(lengths[row] for row in rows)
        some = steps_of_epoch([samples[row] for row in rows], plan.rows_per_step, seed, epoch)
        steps.extend([rows[n] for n in step] for step in some)
    return steps or [[0]]


def _affordable(samples: Sequence[Sample], tokens: int, random_: random.Random) -> list[int]:
    """The rows of one pass that fit into ``tokens``, in ascending order; all of them where they do."""
    if sum(len(sample.input_ids) for sample in samples) <= tokens:
        return list(range(len(samples)))
    often = Counter(tuple(sample.input_ids) for sample in samples)
    order = sorted(range(len(samples)), key=lambda row: (often[tuple(samples[row].input_ids)] == 1, random_.random()))
    kept = []
    for row in order:
        tokens -= len(samples[row].input_ids)
        if tokens < 0:
            break
        kept.append(row)
    return sorted(kept)


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
