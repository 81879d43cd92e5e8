"""Names and where they may lead: a name never resolves outside its folder."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadName

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
RESERVED = frozenset({"objects", "staging"})
"""Folders of the artifact store, beside which adapters are found by name."""


def checked_name(name: str, kind: str = "adapter") -> str:
    """Return ``name`` if it may name something.

    Args:
        kind: what it names, for the message (``"adapter"``, ``"bot"``, ``"suite"``).

    Raises:
        BadName: it is not 1 to 64 of ``a-z 0-9 - _``, beginning with a letter or digit; or it would name an adapter
            as a folder of the artifact store.

    Example:
        >>> checked_name("summer-menu_2")
        'summer-menu_2'
    """
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise BadName(f"{name!r} cannot be the name of {'an' if kind[0] in 'aeiou' else 'a'} {kind}")
    if kind == "adapter" and name in RESERVED:
        raise BadName(f"{name!r} cannot be the name of an adapter", hint="adapters are kept in a folder of that name")
    return name


def inside(root: Path, name: str) -> Path:
    """Return ``root/name`` without following a last link, refusing whatever would leave ``root``.

    Raises:
        BadName: the path leads outside.
    """
    path = root / name
    if name in (".", "..") or "\x00" in name or path.parent.resolve() != root.resolve() or path.name != name:
        raise BadName(f"{name!r} leads outside {root.name}")
    return path
