"""Semantic similarity: how alike two texts are as vectors, by an endpoint's embeddings or by character n-grams."""

from __future__ import annotations

import math
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from ..errors import UsageError
from ..ports import Embedder
from .config import EvaluationConfig
from .endpoint import Endpoint

_TEXTS_AT_ONCE = 64
_BUCKETS = 4096
"""Length of the vectors of n-grams; a chat answer has some hundred, so few share a place."""
NGRAMS = "ngrams"
"""Value of ``evaluate.embedder`` that compares spelling, here and without a model."""


class HttpEmbedder:
    """Asks an OpenAI-compatible embeddings endpoint.

    Args:
        url: of the API, to which ``/embeddings`` is added.
        model: as the endpoint names it.
        more: ``key``, ``timeout_s``, ``retries``, ``sleep`` of ``Endpoint``.
    """

    local = False

    def __init__(self, url: str, model: str, **more: Any) -> None:
        setting = f"evaluate.embedder is {NGRAMS!r} or an address"
        self._endpoint = Endpoint("the embeddings endpoint", url, "/embeddings", setting=setting, **more)
        self._model = model

    def embed(self, texts: Sequence[str]) -> list[Sequence[float]] | None:
        """See ``ports.Embedder.embed``."""
        found: list[Sequence[float]] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = self._some(list(texts[start : start + _TEXTS_AT_ONCE]))
            if part is None:
                return None
            found += part
        return found if len({len(vector) for vector in found}) <= 1 else None

    def _some(self, texts: list[str]) -> list[Sequence[float]] | None:
        return self._endpoint.post({"model": self._model, "input": texts}, lambda reply: _vectors(reply, len(texts)))


class NgramEmbedder:
    """Vectors of character n-grams (2 to 4 letters, weighted by rarity among the texts at hand).

    What it measures is spelling, not meaning: particles, endings and word order matter little, so the same thing said
    in the same words of another order is near; the same thing in other words is far. It needs no model, no download
    and no network.

    Source:
        Salton and Buckley, Term-weighting approaches in automatic text retrieval (1988); characters instead of words as
        in McNamee and Mayfield, Character N-Gram Tokenization for European Language Text Retrieval (2004).
    """

    local = True

    def embed(self, texts: Sequence[str]) -> list[Sequence[float]] | None:
        """See ``ports.Embedder.embed``."""
        counted = [Counter(_ngrams(text)) for text in texts]
        seen = Counter(gram for counts in counted for gram in counts)
        weight = {gram: 1.0 + math.log((1 + len(texts)) / (1 + among)) for gram, among in seen.items()}
        vectors: list[Sequence[float]] = []
        for counts in counted:
            vector = [0.0] * _BUCKETS
            for gram, count in counts.items():
                vector[crc32(gram.encode("utf-8", "replace")) % _BUCKETS] += (1.0 + math.log(count)) * weight[gram]
            vectors.append(vector)
        return vectors


def semantic_similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, 0..1 (opposite directions count as unlike, 0.0).

    Example:
        >>> semantic_similarity([1.0, 0.0], [1.0, 1.0]).__round__(3), semantic_similarity([0.0, 0.0], [1.0, 1.0])
        (0.707, 0.0)
    """
    length = math.hypot(*one) * math.hypot(*other)
    if not length or not math.isfinite(length):
        return 0.0
    return min(1.0, max(0.0, math.fsum(a * b for a, b in zip(one, other, strict=True)) / length))


def embedder_of(config: EvaluationConfig) -> Embedder | None:
    """Return the embedder that the settings name, if any; the key of an endpoint comes from ``OPENAI_API_KEY``.

    Raises:
        UsageError: its address or model cannot be used.
    """
    if not config.embedder:
        return None
    if config.embedder == NGRAMS:
        return NgramEmbedder()
    found = HttpEmbedder(
        config.embedder, config.embed_model, key=os.environ.get("OPENAI_API_KEY"), timeout_s=config.judge_timeout_s
    )
    if not config.embed_model:
        raise UsageError("embeddings need a model", hint="set evaluate.embed_model, as the API names it")
    return found


def _vectors(reply: Any, count: int) -> list[Sequence[float]]:
    """The vectors of a reply, in the order of the texts.

    Raises:
        ValueError: the reply is none.
    """
    try:
        data = sorted(reply["data"], key=lambda one: one["index"])
        found = [[float(number) for number in one["embedding"]] for one in data]
    except (KeyError, TypeError) as error:
        raise ValueError("no embeddings") from error
    if len(found) != count or not all(vector and all(map(math.isfinite, vector)) for vector in found):
        raise ValueError("not one embedding a text")
    return list(found)


def _ngrams(text: str) -> Iterator[str]:
    folded = f" {' '.join(unicodedata.normalize('NFKC', text).casefold().split())} "
    for size in (2, 3, 4):
        yield from (folded[start : start + size] for start in range(len(folded) - size + 1))
