"""Keys and what they open: ``ll_<id>_<secret>``, kept as SHA-256, compared in constant time, each with roles."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import UsageError
from ..traffic import ApiKey

CHAT, FEEDBACK, READ, OPERATE, KNOWN, OPEN = "chat", "feedback", "read", "operate", "known", "open"
"""What a route asks for: ``known`` is any key, ``open`` none at all."""

ROLES: dict[str, frozenset[str]] = {
    "chat": frozenset({CHAT, KNOWN}),
    "feedback": frozenset({FEEDBACK, KNOWN}),
    "viewer": frozenset({READ, KNOWN}),
    "operator": frozenset({CHAT, FEEDBACK, READ, OPERATE, KNOWN}),
    "admin": frozenset({CHAT, FEEDBACK, READ, OPERATE, KNOWN}),
}
"""What each role may do."""

REFRESH_S, STALE_S = 1.0, 2.0
"""Keys are read again after so long, beside the requests; a request waits for keys that were read longer ago, so that
none that was revoked before opens anything after a rest."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the id of the key (``"token"`` for a presigned one) and what it may do."""

    id: str
    may: frozenset[str]


def new_key(roles: Sequence[str], label: str, now: datetime) -> tuple[str, ApiKey]:
    """Return a fresh key in full, to be shown once, and what is kept of it.

    Raises:
        UsageError: there is no such role.
    """
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise UsageError(f"no role {', '.join(unknown) or 'was named'}", hint=f"one or more of {', '.join(ROLES)}")
    if len(label) > 128:
        raise UsageError("the label is longer than 128 characters")
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    text = f"ll_{id}_{secret}"
    return text, ApiKey(id=id, digest=digest(text), roles=tuple(dict.fromkeys(roles)), label=label, created_at=now)


def digest(text: str) -> str:
    """Return what is kept of a key. A key is 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(text.encode()).hexdigest()


class KeyRing:
    """The keys as they were two seconds ago at most, looked up without waiting for the database.

    Args:
        load: reads all keys.
        clock: seconds that only go forward.
    """

    def __init__(self, load: Callable[[], Sequence[ApiKey]], clock: Callable[[], float] = time.monotonic) -> None:
        self._load, self._clock = load, clock
        self._keys: dict[str, tuple[str, Caller]] = {}
        self._tried_at = self._read_at = -math.inf

    @property
    def is_old(self) -> bool:
        """Whether it is time to read the keys again."""
        return self._clock() - self._tried_at >= REFRESH_S

    @property
    def is_stale(self) -> bool:
        """Whether they were not read for so long that one of them may be revoked by now."""
        return self._clock() - self._read_at >= STALE_S

    def refresh(self) -> None:
        """Read the keys. Slow: run it in a thread."""
        self._tried_at = at = self._clock()
        self._keys = {
            key.id: (
                key.digest,
                Caller(key.id, frozenset().union(*(ROLES.get(role, frozenset()) for role in key.roles))),
            )
            for key in self._load()
            if key.revoked_at is None
        }
        self._read_at = at

    def find(self, text: str) -> Caller | None:
        """Return who holds this key; ``None`` for one that is unknown, malformed or revoked."""
        parts = text.split("_", 2)
        if len(parts) != 3 or parts[0] != "ll" or len(text) > 128:
            return None
        kept, caller = self._keys.get(parts[1], ("", None))
        return caller if hmac.compare_digest(digest(text).encode(), kept.encode()) else None
