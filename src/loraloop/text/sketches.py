"""MinHash sketches of many texts at once: how alike two texts are, from 128 numbers each, without the texts.

Character 3-shingles of the form without spaces and case: Korean particles glue to their nouns, and a syllable says as
much as two or three letters, so that in a chat's short lines longer shingles make every second word another text.
Shingles are hashed by numpy over all texts together; rensa draws the minima.

Source: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", chapter 3 (banding).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .compacting import code_points, compact_codes
from .dedupe import compact

if TYPE_CHECKING:
    import numpy as np

SHINGLE_CHARS = 3
PERMUTATIONS = 128
BANDS = 32
"""32 bands of 4 rows propose a pair with similarity 0.7 with probability above 0.999."""
_SEED = 42
_BATCH = 1024
_PAIRS = 2048


def shingle_hashes(texts: Sequence[str], width: int = SHINGLE_CHARS) -> tuple[np.ndarray, np.ndarray]:
    """Return the 64-bit hashes of the shingles of all texts, one after another, and where each text's begin and end.

    **Shapes**: hashes (S shingles), offsets (texts + 1). A text shorter than a shingle is its own only one.
    """
    import numpy as np

    return hashes_of(code_points(texts), np.array([len(text) for text in texts], dtype=np.int64), width)


def hashes_of(codes: np.ndarray, lengths: np.ndarray, width: int = SHINGLE_CHARS) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``shingle_hashes`` does, from the code points of all texts one after another, and their lengths."""
    import numpy as np

    ends = np.cumsum(lengths, dtype=np.int64)
    short = np.flatnonzero(lengths < width)
    if len(short):  # filled up with NUL to one shingle
        missing = width - lengths[short]
        codes = np.insert(codes, np.repeat(ends[short], missing), 0)
        ends = np.cumsum(np.maximum(lengths, width), dtype=np.int64)
    hashes = np.zeros(len(codes), dtype=np.uint64)
    wide = codes.astype(np.uint64)
    for place in range(width):
        hashes[: len(wide) - place] += wide[place:] * np.uint64(0x9E3779B97F4A7C15 ** (place + 1) % 2**64)
    keep = np.ones(len(wide), dtype=bool)
    keep[(ends[:, None] - np.arange(1, width)).ravel()] = False  # windows that would reach into the next text
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(29)
    offsets = np.concatenate(([0], ends - np.arange(1, len(ends) + 1) * (width - 1)))
    return hashes[keep], offsets.astype(np.uint64)


def sketches(forms: Sequence[str], width: int = SHINGLE_CHARS) -> np.ndarray:
    """Return the sketch of each text.

    Args:
        forms: as ``text.dedupe.compact`` makes them.
        width: characters of a shingle.

    **Shapes**: (texts, ``PERMUTATIONS``), uint32.
    """
    import numpy as np

    drawn = [_drawn(*shingle_hashes(forms[at : at + _BATCH], width)) for at in range(0, len(forms), _BATCH)]
    return np.concatenate(drawn) if drawn else np.empty((0, PERMUTATIONS), dtype=np.uint32)


def sketches_of(texts: Sequence[str]) -> np.ndarray:
    """Return ``sketches`` of texts that are not compact yet; those of plain letters are made so all together."""
    import numpy as np

    found = np.empty((len(texts), PERMUTATIONS), dtype=np.uint32)
    for begin in range(0, len(texts), _BATCH):
        batch = texts[begin : begin + _BATCH]
        codes, lengths, odd = compact_codes(batch)
        part = found[begin : begin + _BATCH]
        if len(lengths):
            part[~odd] = _drawn(*hashes_of(codes, lengths))
        others = np.flatnonzero(odd).tolist()
        if others:
            part[others] = _drawn(*shingle_hashes([compact(batch[place]) for place in others]))
    return found


def _drawn(hashes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    import numpy as np
    from rensa import RMinHash

    drawn, flat = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, _SEED), array("I")
    for row in drawn.to_rows():  # most of the time goes into making numbers of Python of them, and back
        flat.fromlist(row)
    return np.frombuffer(flat, dtype=np.uint32).reshape(-1, PERMUTATIONS)


def bands(sketch_TP: np.ndarray) -> np.ndarray:
    """Return 32 numbers a sketch (T texts, P permutations); texts that share one of them may be alike.

    **Shapes**: (T, ``BANDS``), uint32.
    """
    import numpy as np

    found = np.empty((len(sketch_TP), BANDS), dtype=np.uint32)
    for begin in range(0, len(sketch_TP), _BATCH):  # a block stays in the processor's cache, and memory small
        rows_TBR = sketch_TP[begin : begin + _BATCH].reshape(-1, BANDS, PERMUTATIONS // BANDS)
        mixed = np.zeros(rows_TBR.shape[:2], dtype=np.uint64)
        for place in range(rows_TBR.shape[2]):
            mixed = (mixed ^ rows_TBR[:, :, place]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(32)
        found[begin : begin + _BATCH] = mixed
    return found


def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the estimated Jaccard similarity of sketches, pair by pair, 0..1; off by 0.04 as a rule."""
    import numpy as np

    found: np.ndarray = np.add.reduce(a == b, axis=-1, dtype=np.uint8) / PERMUTATIONS
    return found


def alike(a: np.ndarray, b: np.ndarray, pairs_N2: np.ndarray, threshold: float) -> np.ndarray:
    """Return for each pair of places whether those sketches of ``a`` and ``b`` agree in that share of all numbers."""
    import numpy as np

    found = np.empty(len(pairs_N2), dtype=bool)
    for begin in range(0, len(pairs_N2), _PAIRS):  # as above
        block = pairs_N2[begin : begin + _PAIRS]
        found[begin : begin + _PAIRS] = likeness(a[block[:, 0]], b[block[:, 1]]) >= threshold
    return found
