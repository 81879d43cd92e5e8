"""A store of small values for tests: it keeps what JSON keeps, counts writes, and can be made to fail."""

from __future__ import annotations

import json
from typing import Any

from ..errors import StoreError


class KeptState:
    """See ``ports.StateStore``; what is read is never the object that was written.

    Attributes:
        writes: how many there were.
        broken: while true, nothing can be written.
    """

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self.writes = 0
        self.broken = False

    def read(self, key: str) -> Any | None:
        """The value of a key, or ``None``."""
        return json.loads(self._kept[key]) if key in self._kept else None

    def write(self, key: str, value: Any) -> None:
        """Set the value of a key.

        Raises:
            StoreError: while ``broken``.
        """
        if self.broken:
            raise StoreError("no space is left")
        self._kept[key] = json.dumps(value)
        self.writes += 1
