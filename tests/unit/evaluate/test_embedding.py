"""Semantic similarity over an endpoint or over spelling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_endpoint import Reply, endpoint

from loraloop.errors import UsageError
from loraloop.evaluate.config import EvaluationConfig
from loraloop.evaluate.embedding import HttpEmbedder, NgramEmbedder, embedder_of, semantic_similarity
from loraloop.evaluate.measures import Measuring
from loraloop.evaluate.suites import parse_suite, repairs_suite
from loraloop.types import Repair, message

SUITE = parse_suite({"language": "ko", "items": [{"prompt": "배고파", "reference": "김밥 어때요?"}]}, "refs")


def honest(body: dict[str, Any]) -> tuple[int, Any]:
    """Embeds by what is eaten, in another order than asked."""
    data = [
        {"index": n, "embedding": [float("김밥" in text or "rice roll" in text), float("국수" in text), 0.1]}
        for n, text in enumerate(body["input"])
    ]
    return 200, {"data": data[::-1]}


def test_the_endpoint_is_asked_as_openai_is_and_its_order_is_kept() -> None:
    """Texts go in one request with the model and the key, and vectors come back in the order of the texts."""
    with endpoint(honest) as (url, seen):
        found = HttpEmbedder(url, "e", key="k").embed(["김밥", "국수", "rice roll"])
    assert found is not None
    assert semantic_similarity(found[0], found[2]) == pytest.approx(1.0)
    assert semantic_similarity(found[0], found[1]) < 0.1
    assert [(one["path"], one["key"], one["model"]) for one in seen] == [("/v1/embeddings", "Bearer k", "e")]


def test_many_texts_go_in_several_requests() -> None:
    """No request holds more than 64 texts."""
    with endpoint(honest) as (url, seen):
        found = HttpEmbedder(url, "e").embed([str(n) for n in range(130)])
    assert found is not None
    assert len(found) == 130
    assert [len(one["input"]) for one in seen] == [64, 64, 2]


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: (503, {}),
        lambda _: (404, {}),
        lambda _: (200, b"<html>"),
        lambda _: (200, {"data": []}),
        lambda _: (200, {"data": [{"index": 0, "embedding": ["x"]}, {"index": 1, "embedding": [1.0]}]}),
        lambda _: (200, {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]}),
        lambda _: (200, b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1.0]}]}'),
        lambda _: (200, {"data": None}),
    ],
    ids=["busy", "missing", "html", "empty", "words", "ragged", "nan", "null"],
)
def test_an_endpoint_that_is_away_leaves_the_metric_out_and_says_so(reply: Reply) -> None:
    """No figure is made up: the metric is missing, the reason is in the report, and everything else is measured."""
    with endpoint(reply) as (url, _):
        measuring = Measuring(HttpEmbedder(url, "e", sleep=lambda _: None))
        (found,) = measuring.measured([(SUITE, SUITE.items[0])], ["김밥 어때요?"])
    assert "semantic_similarity" not in found
    assert found["similarity"] == 1.0
    assert len(measuring.missing) == 1
    assert "semantic_similarity" in measuring.missing[0]


def test_failures_that_may_pass_are_tried_again_a_few_times_only() -> None:
    """Three requests, with longer waits between them, and then no more."""
    waits: list[float] = []
    with endpoint(lambda _: (429, {})) as (url, seen):
        assert HttpEmbedder(url, "e", sleep=waits.append).embed(["a"]) is None
    assert (len(seen), waits) == (3, [1.0, 2.0])
    assert HttpEmbedder("http://127.0.0.1:9/v1", "e", retries=0).embed(["a"]) is None


def test_words_of_users_never_reach_an_endpoint() -> None:
    """Corrections are compared here or not at all."""
    suite = repairs_suite([Repair("cv-1#1", (message("user", "비밀"),), "비밀이야")], "ko")
    cases = [(suite, suite.items[0])]
    with endpoint(honest) as (url, seen):
        (found,) = Measuring(HttpEmbedder(url, "e")).measured(cases, ["비밀이야"])
    assert seen == []
    assert "semantic_similarity" not in found
    (here,) = Measuring(NgramEmbedder()).measured(cases, ["비밀이야"])
    assert here["semantic_similarity"] == pytest.approx(1.0)


def test_ngrams_see_spelling_and_not_meaning() -> None:
    """The same words in another order are near, another dish is far, and so is the same thing in other words."""
    found = NgramEmbedder().embed(
        ["분식집 김밥은 어때요?", "김밥 어때요, 분식집에서?", "수영장에 가자", "밥을 말아 놓은 것도 괜찮겠네"]
    )
    assert found is not None
    near, far, paraphrase = (semantic_similarity(found[0], other) for other in found[1:])
    assert near > 0.3 > 0.1 > far
    assert paraphrase < 0.1


@given(st.lists(st.text(max_size=30), min_size=2, max_size=4))
def test_a_text_is_like_itself_and_no_similarity_leaves_the_scale(texts: list[str]) -> None:
    """Whatever the texts, the cosine lies in 0..1 and is the same both ways."""
    vectors = NgramEmbedder().embed(texts)
    assert vectors is not None
    one, other = vectors[:2]
    assert 0.0 <= semantic_similarity(one, other) == semantic_similarity(other, one) <= 1.0
    assert semantic_similarity(one, one) == (pytest.approx(1.0) if any(one) else 0.0)


def test_settings_choose_the_embedder_and_half_a_choice_is_refused() -> None:
    """Nothing, spelling, or an address with a model."""
    assert embedder_of(EvaluationConfig()) is None
    assert isinstance(embedder_of(EvaluationConfig(embedder="ngrams")), NgramEmbedder)
    assert isinstance(embedder_of(EvaluationConfig(embedder="http://localhost:1/v1", embed_model="e")), HttpEmbedder)
    with pytest.raises(UsageError, match="need a model"):
        embedder_of(EvaluationConfig(embedder="http://localhost:1/v1"))
    with pytest.raises(UsageError, match="no address"):
        embedder_of(EvaluationConfig(embedder="/etc/passwd", embed_model="e"))
