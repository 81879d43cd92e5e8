"""How far a long step has come, told to a ``Progress`` as it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from .ports import Progress

T = TypeVar("T")
_EVERY = 500
_SOON_S = 1.0


def counted(items: Iterable[T], progress: Progress | None, stage: str, total: int) -> Iterator[T]:
    """Yield items, and tell every now and then how many of ``total`` there were; what is soon done tells nothing."""
    begun, told = monotonic(), False
    for number, item in enumerate(items):
        if progress is not None and number % _EVERY == 0 and monotonic() - begun >= _SOON_S:
            progress(stage, min(number, total), total)
            told = True
        yield item
    if progress is not None and told:
        progress(stage, total, total)


@contextmanager
def under_way(progress: Progress | None, stage: str) -> Iterator[None]:
    """Tell that a step of unknown length has begun, and that it is done."""
    if progress is not None:
        progress(stage, 0, 0)
    yield
    if progress is not None:
        progress(stage, 1, 1)
