"""Is this home whole? Every check that ``loraloop doctor`` makes, each a function from a home to faults in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .errors import LoraloopError

if TYPE_CHECKING:
    from .wiring import Home

MIN_FREE_BYTES = 500_000_000
"""Disk space below which a turn may not finish."""

Check = Callable[["Home"], Iterator[str]]


def database(home: Home) -> Iterator[str]:
    """The database is whole and every pointer in it leads somewhere."""
    yield from home.store.faults()


def adapters(home: Home) -> Iterator[str]:
    """Every stored adapter's files are what they were when it was made."""
    for digest in home.artifacts.digests():
        try:
            home.artifacts.verified(digest)
        except LoraloopError as error:
            yield f"{error} ({error.hint})"


def live_adapter(home: Home) -> Iterator[str]:
    """The live adapter exists, verifies, and belongs to the base in use."""
    try:
        adapter = home.loop.live_adapter()
    except LoraloopError as error:
        yield f"the live adapter: {error} ({error.hint})"
        return
    if adapter is not None and adapter.base_id != home.base.id:
        yield f"the live adapter {adapter.name} was made for {adapter.base_id}, the base is {home.base.id}"


def current_link(home: Home) -> Iterator[str]:
    """``production/current`` shows what is live."""
    info = home.deployer.get_current_production_info()
    shown = (home.deployer.production_dir / "current" / "adapter_model.safetensors").is_file()
    if "adapter_name" in info and not (info["has_metadata"] and shown):
        yield "production/current does not show the live adapter; it is put right when the home is opened"


def base_model(home: Home) -> Iterator[str]:
    """The base model is on this machine."""
    try:
        _ = home.base.id
    except LoraloopError as error:
        yield f"{error} ({error.hint})"


def suites(home: Home) -> Iterator[str]:
    """Every suite that is asked can be read."""
    from .evaluate.suites import load_suite

    for name in home.evaluator.config.suites:
        try:
            load_suite(name)
        except LoraloopError as error:
            yield f"suite {name}: {error}"


def disk(home: Home) -> Iterator[str]:
    """There is room for another turn."""
    free = shutil.disk_usage(home.folder).free
    if free < MIN_FREE_BYTES:
        yield f"only {free / 1e6:.0f} MB are free under {home.folder}, {MIN_FREE_BYTES / 1e6:.0f} MB are advised"


def permissions(home: Home) -> Iterator[str]:
    """The key of pseudonyms is readable by its owner alone."""
    path = home.folder / "secret.key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield f"{path} can be read by others; run: chmod 600 {path}"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (database, adapters, base_model, live_adapter, current_link, suites, disk, permissions)
}
"""All checks, in the order in which they are made."""


def examine(home: Home) -> dict[str, list[str]]:
    """Make every check; returns the faults of each, an empty list where there are none."""
    return {name: list(check(home)) for name, check in CHECKS.items()}
