"""``dedupe.compact`` of many texts at once, where they are written in plain letters.

In ASCII and whole Hangul syllables each character becomes what it becomes wherever it stands, so a table says it. What
holds any other character, or nothing but signs, is left to ``dedupe.compact``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from .dedupe import compact

if TYPE_CHECKING:
    import numpy as np

_FIRST_SYLLABLE, _LAST_SYLLABLE = 0xAC00, 0xD7A3
_SIGNS = "\u2018\u2019\u201c\u201d\u2026"
"""Signs outside of ASCII that every keyboard writes; like all signs they go."""
_ODD = 0xFFFFFFFF
_BATCH = 4096


def code_points(texts: Sequence[str]) -> np.ndarray:
    """Return the code points of some texts, one after another. **Shapes**: (characters), uint32."""
    import numpy as np

    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def compact_codes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the compact forms of the plain texts among some.

    **Shapes**: code points of all plain texts, one after another; the length of each of them; and for each of the texts
    whether it is left out because it is not plain.
    """
    import numpy as np

    table = _table()
    found = table[np.minimum(code_points(texts), len(table) - 1)]
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    ends = np.cumsum(lengths)

    def counts(flags: np.ndarray) -> np.ndarray:
        before = np.concatenate(([0], np.cumsum(flags)))
        there: np.ndarray = before[ends] - before[ends - lengths]
        return there

    stays = found != 0
    kept = counts(stays)
    odd = (counts(found == _ODD) > 0) | (kept == 0)
    if odd.any():
        stays &= ~np.repeat(odd, lengths)
    return found[stays], kept[~odd], odd


def compact_all(texts: Iterable[str]) -> Iterator[str]:
    """Yield ``dedupe.compact`` of each text, read a batch at a time.

    Example:
        >>> list(compact_all(["뭐 먹지?", "Why not!"]))
        ['뭐먹지', 'whynot']
    """
    left = iter(texts)
    while batch := list(islice(left, _BATCH)):
        codes, lengths, odd = compact_codes(batch)
        joined, at = codes.tobytes().decode("utf-32-le"), 0
        ends = iter(lengths.cumsum().tolist())
        for text, is_odd in zip(batch, odd.tolist(), strict=True):
            end = at if is_odd else next(ends)
            yield compact(text) if is_odd else joined[at:end]
            at = end


@cache
def _table() -> np.ndarray:
    """Character -> what it becomes, 0 for nothing; ``_ODD`` where that is not for a table to say."""
    import numpy as np

    table = np.full(_LAST_SYLLABLE + 2, _ODD, dtype=np.uint32)
    for code in range(128):
        table[code] = ord(chr(code).lower()) if chr(code).isalnum() else 0
    table[[ord(sign) for sign in _SIGNS]] = 0
    table[_FIRST_SYLLABLE : _LAST_SYLLABLE + 1] = np.arange(_FIRST_SYLLABLE, _LAST_SYLLABLE + 1)
    return table
