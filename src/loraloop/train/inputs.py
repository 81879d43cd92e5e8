"""What callers hand to training, made into samples, and back into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NotEnoughData
from ..types import Sample
from .order import IGNORED

MIN_SAMPLES = 2


def valid_samples(rows: Sequence[Any], least: int = MIN_SAMPLES) -> list[Sample]:
    """Samples that teach something: as many labels as ids, at least one supervised; padding cut off."""
    samples = [row if isinstance(row, Sample) else _sample(row) for row in rows]
    valid = [
        s for s in samples if len(s.input_ids) == len(s.labels) and any(label != IGNORED for label in s.labels[1:])
    ]
    if len(valid) < least:
        raise NotEnoughData(f"{len(valid)} valid samples of {len(rows)}; at least {least} are needed")
    return valid


def _sample(row: Mapping[str, Any]) -> Sample:
    mask = list(row.get("attention_mask") or [1] * len(row["input_ids"]))
    labels = list(row.get("labels") or row["input_ids"])
    kept = [n for n, seen in enumerate(mask) if seen and n < len(labels)]
    return Sample(input_ids=tuple(int(row["input_ids"][n]) for n in kept), labels=tuple(int(labels[n]) for n in kept))


def columns(samples: Sequence[Sample]) -> list[dict[str, list[int]]]:
    """Return samples as rows of ``input_ids, attention_mask, labels``."""
    return [
        {"input_ids": list(s.input_ids), "attention_mask": [1] * len(s.input_ids), "labels": list(s.labels)}
        for s in samples
    ]
