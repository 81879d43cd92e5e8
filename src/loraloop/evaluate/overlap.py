"""Which items of a suite training data has already answered: exact and near duplicates of training questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..text.dedupe import NearDuplicates, compact
from ..types import RefusedItem, TaughtRow
from .suites import GUARD_TYPES, REPAIRS, Suite, SuiteItem

ALIKE_FRAC = 0.9
"""Similarity from which two questions are one, as where training and judging rows are kept apart."""
_ASKS_ALONE_CHARS = 10
"""Letters from which a question asks something without what was said before it."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """What may be asked after training rows were looked through.

    Attributes:
        suites: without the refused items; a suite that is left with none is left out.
        refused: items that are not asked, each with the row that asks the same.
        guards: ``(suite, item)`` -> row, of guarded items that were taught. They are asked all the same, for a bad
            lesson must not switch its own guard off; but passing them proves nothing.
        emptied: names of the suites that lost every item.
    """

    suites: tuple[Suite, ...]
    refused: tuple[RefusedItem, ...]
    guards: dict[tuple[str, str], str]
    emptied: tuple[str, ...]


def without_taught(suites: Sequence[Suite], taught: Iterable[TaughtRow]) -> Fresh:
    """Refuse the items that training rows ask too.

    Corrections are asked again on purpose and stay. Compared is the question (with the answer it replies to, where it
    is too short to ask anything alone), in the normal form and at the threshold that keep training and judging apart.
    """
    index = NearDuplicates(ALIKE_FRAC)
    asked = {(s.name, item.id): asked_by(item) for s in suites if s.name != REPAIRS for item in s.items}
    for question in dict.fromkeys(asked.values()):  # the suites are the smaller side
        index.add(question, question)
    row_of: dict[str, str] = {}
    for row in taught:
        for question in index.find(row.asked):
            row_of.setdefault(question, row.id)
    hit = {key: row_of[question] for key, question in asked.items() if question in row_of}
    guarded = {(s.name, i.id) for s in suites for i in s.items if s.kind == "guard" or i.type in GUARD_TYPES}
    refused = tuple(RefusedItem(*key, row) for key, row in hit.items() if key not in guarded)
    gone = {(one.suite, one.item) for one in refused}
    kept = [replace(s, items=tuple(item for item in s.items if (s.name, item.id) not in gone)) for s in suites]
    return Fresh(
        suites=tuple(suite for suite in kept if suite.items),
        refused=refused,
        guards={key: row for key, row in hit.items() if key in guarded},
        emptied=tuple(suite.name for suite in kept if not suite.items),
    )


def asked_by(item: SuiteItem) -> str:
    """Return what an item asks, as it is compared with training questions."""
    question = item.messages[-1].text
    if len(compact(question)) >= _ASKS_ALONE_CHARS:
        return question
    before = next((turn.text for turn in reversed(item.messages) if turn.role == "assistant"), "")
    return f"{before} {question}".strip()
