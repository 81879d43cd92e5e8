"""MinHash sketches of many texts at once: how alike two texts are, from 128 numbers each, without the texts.

Character 3-shingles of the form without spaces and case: Korean particles glue to their nouns, and a syllable says as
much as two or three letters, so that in a chat's short lines longer shingles make every second word another text.
Shingles are hashed by numpy over all texts together; rensa draws the minima.

Source: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", chapter 3 (banding).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SHINGLE_CHARS = 3
PERMUTATIONS = 128
BANDS = 32
"""32 bands of 4 rows propose a pair with similarity 0.7 with probability above 0.999."""
_SEED = 42
_BATCH = 4096


def shingle_hashes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the 64-bit hashes of the shingles of all texts, one after another, and where each text's begin and end.

    **Shapes**: hashes (S shingles), offsets (texts + 1). A text shorter than a shingle is its own only one.
    """
    import numpy as np

    width = SHINGLE_CHARS
    padded = [text if len(text) >= width else text.ljust(width, "\0") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    ends = np.cumsum([len(text) for text in padded], dtype=np.int64)
    hashes = np.zeros(len(codes), dtype=np.uint64)
    for place in range(width):
        hashes[: len(codes) - place] += codes[place:] * np.uint64(0x9E3779B97F4A7C15 ** (place + 1) % 2**64)
    keep = np.ones(len(codes), dtype=bool)
    keep[(ends[:, None] - np.arange(1, width)).ravel()] = False  # windows that would reach into the next text
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(29)
    offsets = np.concatenate(([0], ends - np.arange(1, len(padded) + 1) * (width - 1)))
    return hashes[keep], offsets.astype(np.uint64)


def sketches(forms: Sequence[str]) -> np.ndarray:
    """Return the sketch of each text.

    Args:
        forms: as ``text.dedupe.compact`` makes them.

    **Shapes**: (texts, ``PERMUTATIONS``), uint32.
    """
    import numpy as np
    from rensa import RMinHash

    found = np.empty((len(forms), PERMUTATIONS), dtype=np.uint32)
    for begin in range(0, len(forms), _BATCH):
        hashes, offsets = shingle_hashes(forms[begin : begin + _BATCH])
        drawn = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, _SEED)
        found[begin : begin + _BATCH] = drawn.to_rows()
    return found


def bands(sketch_TP: np.ndarray) -> np.ndarray:
    """Return 32 numbers a sketch (T texts, P permutations); texts that share one of them may be alike.

    **Shapes**: (T, ``BANDS``), uint32.
    """
    import numpy as np

    wide = sketch_TP.astype(np.uint64).reshape(len(sketch_TP), BANDS, PERMUTATIONS // BANDS)
    mixed = np.zeros(wide.shape[:2], dtype=np.uint64)
    for place in range(wide.shape[2]):
        mixed = (mixed ^ wide[:, :, place]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return mixed.astype(np.uint32)


def likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the estimated Jaccard similarity of sketches, pair by pair, 0..1; off by 0.04 as a rule."""
    found: np.ndarray = (a == b).mean(axis=-1)
    return found
