"""Where a home is, and how one is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .errors import StoreError, UsageError
from .settings import default_toml, load_settings
from .store.durable import fsync_path, write_durably
from .store.secret import home_secrets

DEFAULT_HOME = "./.loraloop"
SETTINGS_FILE = "loraloop.toml"
_EMPTY_BYTES = 4096
"""One page: a database without tables."""


def home_folder(folder: str | Path | None = None) -> Path:
    """Return the home: the folder named, else ``LORALOOP_HOME``, else ``./.loraloop``."""
    return Path(folder or os.environ.get("LORALOOP_HOME") or DEFAULT_HOME).expanduser().absolute()


def init_home(folder: str | Path | None = None, **overrides: Any) -> Path:
    """Make a home: its folder, the key of pseudonyms and a commented settings file.

    Args:
        overrides: settings that differ from the defaults, by dotted name with ``__`` for the dot
            (``base__model="smollm2"``).

    Raises:
        UsageError: there is a home already, or a file.
    """
    home = home_folder(folder)
    if (home / SETTINGS_FILE).exists():
        raise UsageError(f"{home} is a home already", hint=f"edit {home / SETTINGS_FILE}, or use another --home")
    text = default_toml(overrides)
    make_folder(home)
    home_secrets(home / "secret.key")  # from now on a home without one has lost it
    try:
        write_durably(home / SETTINGS_FILE, text)
    except OSError as error:
        raise StoreError(f"cannot make {home}: {error.strerror}", hint="choose a writable --home") from error
    load_settings(home)
    return home


def make_folder(home: Path) -> None:
    """Make the folder of a home, for its owner alone: what people said is nobody else's.

    Raises:
        UsageError: a file is there. StoreError: it cannot be made.
    """
    if home.exists() and not home.is_dir():
        raise UsageError(f"{home} is a file, not a folder", hint="name a folder with --home")
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_path(home.parent)
    except OSError as error:
        raise StoreError(f"cannot make {home}: {error.strerror}", hint="choose a writable --home") from error


def refuse_lost_database(home: Path) -> None:
    """See that a home that holds adapters has the database that knows them: an empty one would be made in its place.

    Raises:
        StoreError: the database is gone, or was emptied.
    """
    file, log = home / "loraloop.db", home / "loraloop.db-wal"
    size = file.stat().st_size if file.exists() else 0
    written = log.exists() and log.stat().st_size > 0  # what is not in the file yet stands there
    if size <= _EMPTY_BYTES and not written and any((home / "objects").glob("*/manifest.json")):
        raise StoreError(
            f"the database {file} is gone or empty, and the home holds adapters",
            hint="put it back with the -wal file beside it, or restore a backup: loraloop restore FILE --replace",
        )
