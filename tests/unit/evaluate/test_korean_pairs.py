"""Each metric ranks pairs of Korean answers as a Korean reader would; where it does not, that stands here."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loraloop.evaluate.embedding import NgramEmbedder, semantic_similarity
from loraloop.evaluate.metrics import calculate_response_quality, chrf, language_match, repetition, rouge_l, similarity

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "tables" / "korean_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
Metric = Callable[[str, str], float]


def spelling(answer: str, reference: str) -> float:
    """Cosine of character n-grams, of these two texts alone."""
    vectors = NgramEmbedder().embed([answer, reference])
    assert vectors is not None
    return semantic_similarity(*vectors)


METRICS: dict[str, Metric] = {
    "chrf": chrf,
    "rouge_l": rouge_l,
    "similarity": similarity,
    "semantic_similarity (ngrams)": spelling,
    "response_quality": lambda answer, _: calculate_response_quality(answer, "ko"),
    "repetition (the less the better)": lambda answer, _: 1 - repetition(answer),
    "language_match": lambda answer, _: language_match(answer, "ko"),
}
EVERY = {pair["prompt"] for pair in PAIRS}
SAME_FORM = {pair["prompt"] for pair in PAIRS if pair.get("same_form")}
LOOPS = {
    "급식카드 잔액은 어떻게 봐?", "안녕", "고마워", "오늘 비 오는데 뭐 먹지", "채소 많은 음식 추천해줘", "7천 원 있어",
    "라면 말고 다른 거", "할머니랑 먹을 만한 거", "이 카드 주말에도 돼?", "제일 싼 거", "걸어서 갈 수 있어?", "잘 자",
    "추천 고마워, 거기로 갈게",
}  # fmt: skip
OTHER_SCRIPT = {
    "착한 가게가 뭐야?", "배고파", "너 이름이 뭐야?", "시험 끝났어!", "동생이랑 나눠 먹을 거", "물은 공짜야?", "잘 자",
}  # fmt: skip
FAILURES: dict[str, set[str]] = {
    "chrf": set(),
    "rouge_l": set(),
    "similarity": set(),
    "semantic_similarity (ngrams)": set(),
    # They look at form alone: where both answers are clean Korean sentences they cannot tell them apart.
    "response_quality": SAME_FORM,
    "repetition (the less the better)": EVERY - LOOPS,
    "language_match": EVERY - OTHER_SCRIPT,
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
