"""What each language's demo asks, corrects and learns from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """What one language's demo says.

    Attributes:
        base: short name of the base model.
        corpus: language folder of the chatterbot corpus.
        questions: asked before and after every turn; the last one is corrected by a user before turn two.
        correction: what the user says the last answer should have been.
        held_back: topics of the corpus that arrive only before turn two. left_out: those that never do.
        tokens: trained on in each turn, at most, where training products run at 190 GFLOP/s or more; fewer on a
            slower machine, so that the demo takes minutes everywhere.
        answer_tokens: longest answer.
    """

    base: str
    language: str
    corpus: str
    questions: tuple[str, str, str]
    correction: str
    held_back: tuple[str, ...]
    tokens: int
    answer_tokens: int = 40
    left_out: tuple[str, ...] = ()


SCRIPTS = {
    "smollm2": Script(
        base="smollm2",
        language="en",
        corpus="english",
        questions=(
            "What is artificial intelligence?",
            "Do you ever get angry?",
            "Who is going to cook dinner tonight?",
        ),
        correction="You are! I bring the recipes, you bring the pan.",
        held_back=(
            "botprofile",
            "emotion",
            "history",
            "humor",
            "literature",
            "money",
            "movies",
            "politics",
            "psychology",
        ),
        tokens=40_000,
        left_out=("coding",),  # a quarter of all tokens, in long answers about programming
    ),
    "gemma": Script(
        base="gemma",
        language="ko",
        corpus="korean",
        questions=("인공지능이 뭐야?", "너도 화가 날 때가 있어?", "오늘 저녁은 누가 차려?"),
        correction="오늘은 네가 요리사야! 나는 맛있는 메뉴를 골라 줄게.",
        held_back=("emotion", "food", "gossip", "history", "humor", "money", "movies", "politics", "psychology"),
        tokens=9_500,
        answer_tokens=21,  # the correction has 19
    ),
}
