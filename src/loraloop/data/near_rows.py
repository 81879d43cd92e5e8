"""Which rows say nearly the same as others: sketched once, kept in the store, each turn only the new ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..signature_store import SignatureStore
from ..text.clusters import joined, proposed
from ..text.sketches import BANDS, PERMUTATIONS, alike, bands, sketches_of
from ..types import Signature

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 20_000
"""Rows sketched together; what is in memory at once is these, and 128 bytes for every row there is."""
_VERSION = "1"


class NearRows:
    """Takes rows as they come and keeps the cluster of each.

    Args:
        store: where sketches are kept.
        bot: whose rows.
        threshold: similarity of question and answer together from which two rows are alike, 0.5..1.
    """

    def __init__(self, store: SignatureStore, bot: str, threshold: float) -> None:
        self._store, self._bot, self._threshold = store, bot, threshold
        self._waiting: dict[tuple[str, int], tuple[str, str]] = {}
        self._heard: set[str] = set()
        self._ids: list[int] | None = None
        self._clusters: list[int] = []
        self._bands_NB: np.ndarray | None = None

    def take(self, conversation_id: str, message_index: int, digest: str, text: str) -> None:
        """Hear of a row: its keyed digest, and what is said in it, of which only a sketch is kept."""
        said = f"{_VERSION} {self._threshold} {digest}".encode()
        self._heard.add(conversation_id)
        self._waiting[conversation_id, message_index] = (hashlib.sha256(said).hexdigest()[:24], text)
        if len(self._waiting) >= _CHUNK:
            self.sketch()

    def clusters(self) -> Iterator[tuple[str, int, int]]:
        """Yield ``(conversation, message, cluster)`` of the rows of all conversations heard of and still stored."""
        self.sketch()
        yield from self._store.clusters(sorted(self._heard))

    def sketch(self) -> None:
        """Sketch and store the rows heard of that are new."""
        known = self._store.marks(sorted({conversation for conversation, _ in self._waiting}))
        new = {key: row for key, row in self._waiting.items() if known.get(key) != row[0]}
        self._waiting = {}
        if not new:
            return
        import numpy as np

        self._load()
        assert self._ids is not None
        assert self._bands_NB is not None
        first = len(self._ids)
        sketch_TP = sketches_of([text for _, text in new.values()])
        band_TB = bands(sketch_TP)
        self._bands_NB = np.concatenate((self._bands_NB, band_TB))
        pairs = self._alike(proposed(self._bands_NB, first), sketch_TP, first)
        found = joined(self._clusters, pairs.tolist(), len(new), max(self._clusters, default=-1) + 1)
        self._store.add(
            self._bot,
            (
                Signature(conversation, message, mark, cluster, band.tobytes(), sketch.tobytes())
                for ((conversation, message), (mark, _)), cluster, band, sketch in zip(
                    new.items(), found, band_TB, sketch_TP, strict=True
                )
            ),
        )
        self._ids = None  # the store numbers them: what comes next reads the numbers, too

    def _load(self) -> None:
        import numpy as np

        self._ids, self._clusters, raw = self._store.bands(self._bot)
        self._bands_NB = np.frombuffer(raw, dtype=np.uint32).reshape(-1, BANDS)

    def _alike(self, pairs: np.ndarray, sketch_TP: np.ndarray, first: int) -> np.ndarray:
        """Those pairs whose sketches agree in ``threshold`` of all numbers."""
        import numpy as np

        if not len(pairs):
            return pairs
        assert self._ids is not None
        places = np.unique(pairs[pairs[:, 1] < first, 1])
        stored = self._store.sketches([self._ids[place] for place in places])
        # Whoever was forgotten since the bands were read has no sketch any more, and nothing is like theirs.
        old = np.array([place for place in places if self._ids[place] in stored], dtype=pairs.dtype)
        pairs = pairs[(pairs[:, 1] >= first) | np.isin(pairs[:, 1], old)]
        raw = b"".join(stored[self._ids[place]] for place in old)
        every_QP = np.concatenate((np.frombuffer(raw, dtype=np.uint32).reshape(-1, PERMUTATIONS), sketch_TP))
        earlier = np.where(pairs[:, 1] < first, np.searchsorted(old, pairs[:, 1]), pairs[:, 1] - first + len(old))
        places_N2 = np.stack((pairs[:, 0] - first, earlier), axis=1)
        found: np.ndarray = pairs[alike(sketch_TP, every_QP, places_N2, self._threshold)]
        return found
