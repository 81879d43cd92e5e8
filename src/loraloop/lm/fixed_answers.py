"""Fixed answers, read beside those that are being written: what each is worth to a version, by which it is proven."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch

from .batching import Batcher, Request, Said
from .drawing import Draw
from .frames import Frame


class FixedAnswers:
    """Has fixed answers read, a part in each step, and tells what they came to when all of a frame were read.

    Args:
        batcher: reads them. say: writes a frame.
    """

    def __init__(self, batcher: Batcher, say: Callable[[Frame], None]) -> None:
        self._batcher, self._say = batcher, say
        self._reading: dict[int, tuple[Frame, int]] = {}  # whose each is, and which of them
        self._numbers = itertools.count(-1, -1)  # whoever asks for an answer counts upwards

    def measure(self, frame: Frame) -> None:
        """Begin with the first; the others after it, so that what their prompts begin with alike is read once.

        Args:
            frame: ``id``, ``version`` and ``fixed``: for each the tokens of its prompt and of its answer.
        """
        frame["nats"] = {}
        self._read(frame, range(1))

    def hear(self, said: Iterable[Said]) -> None:
        """Go on after the first of a frame's answers, and tell the log-probabilities (nats) when all were read."""
        for one in said:
            frame, place = self._reading.pop(one.id)
            nats, count = frame["nats"], len(frame["fixed"])
            nats[place] = one.nats
            if len(nats) == count:
                self._say({"done": frame["id"], "value": [nats[n] for n in range(count)]})
            elif place == 0:
                self._read(frame, range(1, count))

    def _read(self, frame: Frame, places: range) -> None:
        surely = Draw(0.0, 1.0, 1.0, torch.Generator())
        for place in places:
            prompt, answer = frame["fixed"][place]
            number = next(self._numbers)
            self._reading[number] = (frame, place)
            row = (*prompt, *answer[:-1])
            self._batcher.submit(Request(number, frame["version"], row, 0, surely, scored=tuple(answer)))
