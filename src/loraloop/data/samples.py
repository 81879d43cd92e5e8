"""Rows -> samples: prompt tokens without loss, answer tokens with it, never an answer cut short.

A row that is too long loses its oldest turns; if its last question alone is too long, the beginning of that question
goes; if the answer alone does not fit, there is no sample, and the caller says so with ``answer_too_long``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..types import Message, Part, Sample

IGNORED_LABEL = -100
"""Label of a token on which no loss is taken (the convention of torch's cross entropy)."""


class TurnTemplate(Protocol):
    """Renders turns as token ids; ``lm.template.Template`` answers."""

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation so far and the opening of the answer."""
        ...

    def answer_ids(self, text: str) -> list[int]:
        """The answer and the end of its turn."""
        ...


def _without_oldest(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    """The conversation with ever more of its oldest turns gone: system messages stay, each version begins with a user.

    The last version is the system messages and the last user message with whatever follows it.
    """
    system = tuple(message for message in messages if message.role == "system")
    talk = [message for message in messages if message.role != "system"]
    starts = [place for place, message in enumerate(talk) if message.role == "user" and place > 0]
    return [tuple(messages), *((*system, *talk[place:]) for place in starts)]


def _smallest(count: int, fits: Callable[[int], bool]) -> int | None:
    """The smallest number under ``count`` that fits, given that all after it fit too; ``None`` if none does."""
    if count == 0 or not fits(count - 1):
        return None
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _shortened(messages: Sequence[Message], cut: int) -> tuple[Message, ...]:
    """``messages`` with the first ``cut`` characters of the last user message gone."""
    last = max(place for place, message in enumerate(messages) if message.role == "user")
    rest = messages[last].text[cut:].lstrip()
    replaced = Message(role="user", content=(Part(text=rest),))
    return (*messages[:last], replaced, *messages[last + 1 :])


def fitted_prompt(messages: Sequence[Message], template: TurnTemplate, room: int) -> list[int] | None:
    """Return the prompt's token ids, shortened from its beginning until they fit.

    Args:
        messages: everything before the answer; holds a user message.
        template: renders them.
        room: tokens there are for the prompt.

    Returns:
        At most ``room`` ids, or ``None`` if not even the last character of the last question fits.
    """
    whole = template.prompt_ids(messages)
    if len(whole) <= room:
        return whole
    if room <= 0 or not any(message.role == "user" for message in messages):
        return None
    versions = _without_oldest(messages)
    choice = _smallest(len(versions), lambda number: len(template.prompt_ids(versions[number])) <= room)
    if choice is not None:
        return template.prompt_ids(versions[choice])
    question = versions[-1]
    length = max(len(message.text) for message in question if message.role == "user")
    cut = _smallest(length, lambda number: len(template.prompt_ids(_shortened(question, number))) <= room)
    return None if cut is None else template.prompt_ids(_shortened(question, cut))


def make_sample(
    prompt: Sequence[Message], answer: str, template: TurnTemplate, max_length: int, origin: tuple[str, int] = ("", 0)
) -> Sample | None:
    """Return one sample, or ``None`` if the answer does not fit (reason ``answer_too_long``).

    Args:
        prompt: the messages before the answer.
        answer: what is learnt, whole.
        template: the base's.
        max_length: most tokens of prompt and answer together.
        origin: conversation id and message index.

    **Shapes**: ``input_ids`` and ``labels`` hold T tokens, T <= ``max_length``; labels are -100 before the answer.
    """
    answer_ids = template.answer_ids(answer)
    prompt_ids = fitted_prompt(prompt, template, max_length - len(answer_ids))
    if prompt_ids is None:
        return None
    return Sample(
        input_ids=(*prompt_ids, *answer_ids),
        labels=(*(IGNORED_LABEL,) * len(prompt_ids), *answer_ids),
        conversation_id=origin[0],
        message_index=origin[1],
        text_bytes=len(answer.encode()),
    )
