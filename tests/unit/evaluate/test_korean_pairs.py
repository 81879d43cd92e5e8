"""Each metric ranks pairs of Korean answers as a Korean reader would; where it does not, that stands here."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loraloop.evaluate.metrics import calculate_response_quality, chrf, rouge_l, similarity

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "tables" / "korean_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
Metric = Callable[[str, str], float]
METRICS: dict[str, Metric] = {
    "chrf": chrf,
    "rouge_l": rouge_l,
    "similarity": similarity,
    "response_quality": lambda answer, _: calculate_response_quality(answer, "ko"),
}
FAILURES: dict[str, set[str]] = {
    "chrf": set(),
    "rouge_l": set(),
    "similarity": set(),
    # It looks at form alone: where both answers are clean Korean sentences it cannot tell them apart.
    "response_quality": {pair["prompt"] for pair in PAIRS if pair.get("same_form")},
}
"""Prompts of the pairs a metric gets wrong, or cannot tell apart."""


def wrong(metric: Metric) -> set[str]:
    """Prompts whose better answer does not score higher."""
    return {
        pair["prompt"]
        for pair in PAIRS
        if metric(pair["better"], pair["reference"]) <= metric(pair["worse"], pair["reference"])
    }


@pytest.mark.parametrize("name", METRICS)
def test_the_better_answer_scores_higher_but_for_the_failures_listed(name: str) -> None:
    """Over 44 pairs of the domain the better answer leads, and every exception is known by name."""
    assert len(PAIRS) >= 40
    assert wrong(METRICS[name]) == FAILURES[name]


@pytest.mark.parametrize("name", METRICS)
def test_identical_korean_text_scores_full(name: str) -> None:
    """A Korean answer that is the reference itself loses nothing."""
    for pair in PAIRS:
        assert METRICS[name](pair["reference"], pair["reference"]) == pytest.approx(1.0)
