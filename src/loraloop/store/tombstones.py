"""Tombstones: keyed digests of whom and what was forgotten, so that neither an import nor a backup brings it back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

import sqlalchemy as sa

from ..errors import StoreError
from ..types import Conversation
from . import codec, tables
from .database import Database
from .events import Events

_T, _C = tables.tombstones, tables.conversations
_PAGE = 500


class Tombstones:
    """The digests of forgotten people and conversations.

    Args:
        keys: the home's secrets, the newest first; ``None`` for a store without one, which then cannot tell who was
            forgotten and refuses to add anything once somebody was.
    """

    def __init__(self, database: Database, events: Events, keys: Callable[[], Sequence[bytes]] | None) -> None:
        self._database, self._events, self._keys = database, events, keys

    def digests_of(self, kind: str, value: str) -> list[str]:
        """Return the digests of a person's pseudonym or a conversation's id, one a key, the newest key's first.

        Raises:
            StoreError: this store was opened without a key.
        """
        if self._keys is None:
            raise StoreError("people were forgotten here, and the key that knows them was not handed in",
                             hint="open the home (loraloop.wiring.open_home), not its database")  # fmt: skip
        said = f"{kind}:{value}".encode()
        return [hmac.new(key, said, hashlib.sha256).hexdigest() for key in self._keys()]

    def all(self) -> set[str]:
        """Return every digest."""
        with self._database.read() as connection:
            return set(connection.execute(sa.select(_T.c.digest)).scalars())

    def add(self, connection: sa.Connection, digests: Iterable[str]) -> None:
        """Write digests in the transaction of an erasure."""
        known = set(connection.execute(sa.select(_T.c.digest)).scalars())
        at = codec.stamp(self._events.now())
        if new := sorted(set(digests) - known):
            connection.execute(sa.insert(_T), [{"digest": digest, "at": at} for digest in new])

    def dead_among(self, connection: sa.Connection, conversations: Iterable[Conversation]) -> set[str]:
        """Return the ids of those conversations that were forgotten, or whose person was."""
        if connection.execute(sa.select(_T.c.digest).limit(1)).first() is None:
            return set()
        meant: dict[str, list[str]] = {}
        for one in conversations:
            for digest in self.digests_of("conversation", one.id):
                meant.setdefault(digest, []).append(one.id)
            for digest in self.digests_of("person", one.user) if one.user else ():
                meant.setdefault(digest, []).append(one.id)
        wanted, dead = list(meant), set[str]()
        for begin in range(0, len(wanted), _PAGE):
            query = sa.select(_T.c.digest).where(_T.c.digest.in_(wanted[begin : begin + _PAGE]))
            for digest in connection.execute(query).scalars():
                dead.update(meant[digest])
        return dead

    def risen(self, digests: set[str]) -> tuple[set[str], set[str]]:
        """Return the people and the conversations that are stored although their tombstones are among ``digests``."""
        if not digests:
            return set(), set()
        with self._database.read() as connection:
            people = set(
                connection.execute(sa.select(_C.c.person).where(_C.c.person.is_not(None)).distinct()).scalars()
            )
            people |= set(connection.execute(sa.select(tables.people.c.id)).scalars())
            conversations = set(connection.execute(sa.select(_C.c.id)).scalars())
        return (
            {one for one in people if digests.intersection(self.digests_of("person", one))},
            {one for one in conversations if digests.intersection(self.digests_of("conversation", one))},
        )

    def remember(self, digests: Iterable[str]) -> None:
        """Write digests that came from elsewhere."""
        with self._database.write() as connection:
            self.add(connection, digests)
