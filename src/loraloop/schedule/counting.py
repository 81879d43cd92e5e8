"""How many rows no run has seen yet."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..ports import Callback
from .pipeline import row_count

log = logging.getLogger(__name__)


def new_row_count(
    count_rows: Callable[[], int] | None, collect: Callback | None, seen_rows: int
) -> tuple[int | None, int]:
    """Return the new rows, and how many count as seen.

    A count that fails is logged with its traceback and reads as unknown, so that nothing starts on it.

    Args:
        count_rows: counts all rows there are.
        collect: where nothing counts: all it gives is new.
        seen_rows: rows there were when the last good run began; where fewer are left, because some were erased, new
            ones count from what is left.

    Example:
        >>> new_row_count(lambda: 70, None, 50), new_row_count(lambda: 30, None, 50), new_row_count(None, None, 0)
        ((20, 50), (0, 30), (None, 0))
    """
    try:
        if count_rows is not None:
            rows = count_rows()
            seen = min(rows, seen_rows)
            return rows - seen, seen
        return (row_count(collect()) if collect is not None else None), seen_rows
    except Exception:
        log.exception("the new rows could not be counted; no automatic run starts until they can")
        return None, seen_rows
