"""Adapter names are the caller's, capitals and all; folders have them in lower case, as the components' rule wants."""

from __future__ import annotations

from pathlib import Path

from loraloop.store.location import checked_name, inside


def folder_name(name: str) -> str:
    """Return the name of the folder in which a caller's adapter is kept.

    Names that differ in capitals alone are one name: there are file systems that see no difference.

    Raises:
        BadName: even in lower case it is no name by the components' rule.

    Example:
        >>> folder_name("Naviyam_V2")
        'naviyam_v2'
    """
    return checked_name(name.lower() if isinstance(name, str) and name.isascii() else name)


def callers_name(name: str) -> str:
    """Return a caller's name as it is.

    Raises:
        BadName: it cannot be the name of an adapter.
    """
    folder_name(name)
    return name


def folder_in(adapter_dir: Path, name: str) -> Path:
    """Return the folder of a caller's adapter, whether or not it is there.

    A folder that others made, with capitals in its name, is found too: by looking, not by building a path.

    Raises:
        BadName: it cannot be the name of an adapter.
    """
    wanted = folder_name(name)
    folder = inside(adapter_dir, wanted)
    if folder.is_dir() or not adapter_dir.is_dir():
        return folder
    alike = (path for path in sorted(adapter_dir.iterdir()) if path.name.isascii() and path.name.lower() == wanted)
    return next(alike, folder)
