"""The name of a dataset: a digest of its rows, so that the same rows are the same dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from ..types import DatasetRow

_PAGE = 1000
"""Rows written down at once."""
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dataset_id(bot: str, rows: Sequence[DatasetRow], correction_weight: int = 1) -> str:
    """Return ``ds-`` and 16 hex digits of the SHA-256 of a bot and its rows, in order.

    Args:
        bot: whose.
        rows: of all splits.
        correction_weight: how often corrected rows are trained; 1 where there are none, as it changes nothing then.
    """
    hasher = hashlib.sha256(f"[{_json(bot)},[".encode())
    for begin in range(0, len(rows), _PAGE):
        page = [[row.conversation_id, row.message_index, row.split, row.digest] for row in rows[begin : begin + _PAGE]]
        hasher.update(((begin > 0) * "," + _json(page)[1:-1]).encode())
    hasher.update(b"]]" if correction_weight == 1 else f"],{_json({'correction_weight': correction_weight})}]".encode())
    return f"ds-{hasher.hexdigest()[:16]}"
