"""Groups of variants: the same as comparing each text with each, and fast when somebody floods."""

from __future__ import annotations

import random
from itertools import combinations
from time import process_time

import pytest

from loraloop.data.clusters import WIDTH_CHARS, clusters
from loraloop.text.dedupe import compact, jaccard, shingles

WORDS = ["붉은", "연을", "give", "me", "the", "kite", "오늘", "저녁", "뭐", "먹지", "now", "please", "친구", "river"]


def by_comparing_all(texts: list[str]) -> list[list[int]]:
    """Groups of texts that are linked by pairs alike, found pair by pair."""
    sets = [shingles(compact(text), WIDTH_CHARS) if compact(text) else frozenset[str]() for text in texts]
    groups = [{place} for place in range(len(texts))]
    for one, other in combinations(range(len(texts)), 2):
        if sets[one] and sets[other] and jaccard(sets[one], sets[other]) >= 0.7:
            ours, theirs = (next(group for group in groups if place in group) for place in (one, other))
            if ours is not theirs:
                ours |= theirs
                groups.remove(theirs)
    return sorted(sorted(group) for group in groups if len(group) > 1)


def variants(seed: int) -> list[str]:
    """Texts, many of them made from one another by a word or a sign, some empty, some the very same."""
    drawn = random.Random(seed)
    texts = [" ".join(drawn.choices(WORDS, k=drawn.randint(1, 14))) for _ in range(60)]
    for _ in range(60):
        words = drawn.choice(texts).split() or ["?"]
        words[drawn.randrange(len(words))] = drawn.choice([*WORDS, str(drawn.randrange(99)), "!"])
        texts.append(" ".join(words))
    return [*texts, "", "?!", drawn.choice(texts)]


@pytest.mark.parametrize("seed", range(12))
def test_groups_are_those_that_comparing_each_with_each_finds(seed: int) -> None:
    """In whatever order the texts come."""
    texts = variants(seed)
    assert clusters(texts) == by_comparing_all(texts)
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    mixed = clusters([texts[place] for place in order])
    assert sorted(sorted(order[place] for place in group) for group in mixed) == clusters(texts)


def test_a_flood_of_variants_is_one_group_and_takes_seconds() -> None:
    """3000 variants of one sentence, each like all the others: comparing each with each takes 4.5 million times."""
    flood = [f"give me the red kite number {n} please now, thanks a lot my dear friend {n % 17}" for n in range(3000)]
    others = [" ".join(random.Random(n).choices(WORDS, k=12)) + f" {n}" for n in range(50)]
    begin = process_time()
    assert clusters([*flood, *others])[0] == list(range(3000))
    assert process_time() - begin < 8


def test_nothing_and_one_text_make_no_group() -> None:
    """Neither do empty texts, however often they come; signs alone are compared as they stand."""
    assert clusters([]) == clusters(["안녕"]) == clusters(["", " ", ""]) == []
    assert clusters(["?!", "안녕", "?!"]) == [[0, 2]]
