"""Is a database at the newest revision? Told without alembic, whose import costs more than a whole short command."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import sqlalchemy as sa

MIGRATIONS = Path(__file__).parent / "migrations"
_REVISION = re.compile(r'^revision = "([^"]+)"', re.MULTILINE)
_DOWN = re.compile(r'^down_revision = "([^"]+)"', re.MULTILINE)


@cache
def newest_revision() -> str | None:
    """The end of the chain, read from the files without running them; ``None`` where they do not form one chain."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for path in (MIGRATIONS / "versions").glob("r*.py"):
        text = path.read_text(encoding="utf-8")
        revisions.update(_REVISION.findall(text))
        followed.update(_DOWN.findall(text))
    ends = revisions - followed
    return ends.pop() if len(ends) == 1 else None


def is_newest(connection: sa.Connection) -> bool:
    """Whether nothing has to be migrated; where that cannot be told so easily, the answer is no."""
    newest = newest_revision()
    if newest is None or not sa.inspect(connection).has_table("alembic_version"):
        return False
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
    return list(found) == [newest]
