"""Which rows say nearly the same as others: sketched once, kept in the store, each turn only the new ones."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ..signature_store import SignatureStore
from ..text.clusters import Asking, joined
from ..text.sketches import BANDS, PERMUTATIONS, alike, bands, sketches_of
from ..types import Signature

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 20_000
"""Rows sketched together; they are in memory at once, and those stored rows that may be like one of them."""
_WRITTEN = 4000
"""Signatures written in one transaction."""
_READ = 4000
"""Stored sketches in memory at once."""
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

    def take(self, conversation_id: str, message_index: int, digest: str, text: str) -> None:
        """Hear of a row: its keyed digest, and what is said in it, of which only a sketch is kept."""
        said = f"{_VERSION} {self._threshold} {digest}".encode()
        self._waiting[conversation_id, message_index] = (hashlib.sha256(said).hexdigest()[:24], text)
        if len(self._waiting) >= _CHUNK:
            self.sketch()

    def clusters(self, conversations: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        """Yield ``(conversation, message, cluster)`` of the rows of some conversations that are still stored."""
        self.sketch()
        yield from self._store.clusters(sorted(set(conversations)))

    def sketch(self) -> None:
        """Sketch and store the rows heard of that are new."""
        known = self._store.marks(sorted({conversation for conversation, _ in self._waiting}))
        new = {key: row for key, row in self._waiting.items() if known.get(key) != row[0]}
        self._waiting = {}
        if not new:
            return
        import numpy as np

        sketch_TP = sketches_of([text for _, text in new.values()])
        band_TB = bands(sketch_TP)
        asking, ids, clusters = Asking(band_TB), array("q"), array("q")
        for numbers, grouped, raw in self._store.bands(self._bot):
            asking.read(np.frombuffer(raw, dtype=np.uint32).reshape(-1, BANDS))
            ids.extend(numbers)
            clusters.extend(grouped)
        pairs = self._alike(asking.pairs(), sketch_TP, ids)
        found = joined(clusters, pairs.tolist(), len(new), max(clusters, default=-1) + 1)
        made = (
            Signature(conversation, message, mark, cluster, band.tobytes(), sketch.tobytes())
            for ((conversation, message), (mark, _)), cluster, band, sketch in zip(
                new.items(), found, band_TB, sketch_TP, strict=True
            )
        )
        while some := list(islice(made, _WRITTEN)):
            self._store.add(self._bot, some)

    def _alike(self, pairs: np.ndarray, sketch_TP: np.ndarray, ids: Sequence[int]) -> np.ndarray:
        """Those pairs whose sketches agree in ``threshold`` of all numbers; the rows of ``ids`` are stored ones."""
        import numpy as np

        first, found = len(ids), np.zeros(len(pairs), dtype=bool)
        among_new = np.flatnonzero(pairs[:, 1] >= first)
        found[among_new] = alike(sketch_TP, sketch_TP, pairs[among_new] - first, self._threshold)
        among_old = np.flatnonzero(pairs[:, 1] < first)
        among_old = among_old[np.argsort(pairs[among_old, 1], kind="stable")]
        olds, begins = np.unique(pairs[among_old, 1], return_index=True)
        for at in range(0, len(olds), _READ):
            some = olds[at : at + _READ]
            stored = self._store.sketches([ids[place] for place in some.tolist()])
            # Whoever was forgotten since the bands were read has no sketch any more, and nothing is like theirs.
            here = np.array([ids[place] in stored for place in some.tolist()])
            raw = b"".join(stored[ids[place]] for place in some[here].tolist())
            block = among_old[begins[at] : begins[at + _READ] if at + _READ < len(olds) else None]
            block = block[np.isin(pairs[block, 1], some[here])]
            places_N2 = np.stack((pairs[block, 0] - first, np.searchsorted(some[here], pairs[block, 1])), axis=1)
            stored_QP = np.frombuffer(raw, dtype=np.uint32).reshape(-1, PERMUTATIONS)
            found[block] = alike(sketch_TP, stored_QP, places_N2, self._threshold)
        alike_N2: np.ndarray = pairs[found]
        return alike_N2
