"""A live adapter of another base: asked on its own base, with the same rows in its own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..lm.bases import Base
from ..ports import Progress
from ..types import Sample
from .asking import Asker, Heard
from .questions import Questions

LIVE = "live"


@dataclass(frozen=True, slots=True)
class OtherBase:
    """What a live adapter of another base is asked with.

    Attributes:
        base: the one it was made for.
        heldout: the held-out rows under that base's template, as its tokens.
    """

    base: Base
    heldout: Sequence[Sample]


def shared(rows: Sequence[Sample], other: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return the rows that both tokenizers could hold, in the order of the first; pairs hold the same answer."""
    theirs = {(row.conversation_id, row.message_index): row for row in other}
    pairs = [(row, theirs.get((row.conversation_id, row.message_index))) for row in rows]
    both = [(row, found) for row, found in pairs if found is not None and found.text_bytes == row.text_bytes]
    return [row for row, _ in both], [found for _, found in both]


def ask_on_both(questions: Questions, here: Asker, there: Asker, progress: Progress | None) -> Heard:
    """Ask the live adapter on its own base and everybody else on the candidate's; nothing is looked at early."""
    ours = replace(questions, subjects=[s for s in questions.subjects if s.name != LIVE], looks=None)
    theirs = replace(
        questions,
        subjects=[s for s in questions.subjects if s.name == LIVE],
        heldout=questions.rows_of(LIVE),
        looks=None,
        probes=(),  # of candidate and base alone
    )
    counts = [_count(one) for one in (ours, theirs)]

    def part(before: int) -> Progress:
        def tell(stage: str, done: int, total: int, **facts: float) -> None:
            if progress is not None:
                progress(stage, before + done, sum(counts), **facts)

        return tell

    first, second = here.ask(ours, part(0)), there.ask(theirs, part(counts[0]))
    return Heard({**first.answers, **second.answers}, probes=first.probes)


def _count(questions: Questions) -> int:
    """Prompts and rows that somebody must still be asked."""
    return sum(
        len(questions.prompts) - len(questions.known_answers(subject.name))
        + len(questions.heldout) - len(questions.known_nats(subject.name))
        for subject in questions.subjects
    )  # fmt: skip
