"""Which adapters clean-up must leave, whoever of the bots of one home needs them: bots may share an adapter's files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..ports import ArtifactStore, Store
from ..types import Adapter, Release
from .config import DeploymentConfig
from .history import ALL
from .retention import protected


def needed(store: Store, artifacts: ArtifactStore, bot: str, config: DeploymentConfig, *, now: datetime) -> set[str]:
    """Return the names and digests that must stay when a bot's adapters are cleaned up.

    They are what this bot needs (live, previous, on trial, pinned), and of every other bot the same and besides its
    ``keep_adapters`` newest: its own clean-up would leave them.
    """
    present = set(artifacts.digests())
    safe = _needed_by(store, bot, config, now)
    for other in store.bots():
        if other != bot:
            digests = [adapter.digest for adapter in store.adapters.list(other, ALL) if adapter.digest in present]
            safe |= _needed_by(store, other, config, now) | set(list(dict.fromkeys(digests))[: config.keep_adapters])
    return safe


def _needed_by(store: Store, bot: str, config: DeploymentConfig, now: datetime) -> set[str]:
    releases = store.releases.history(bot, ALL)
    adapters = _adapters(store, bot, releases)
    return protected(store.releases.live(bot), releases, adapters, config.pinned, now=now)


def _adapters(store: Store, bot: str, releases: Sequence[Release]) -> list[Adapter]:
    """What a bot trained or adopted, and whatever else it released: older homes keep one value for all bots."""
    own = store.adapters.list(bot, ALL)
    foreign = {release.adapter_id for release in releases if release.adapter_id} - {adapter.id for adapter in own}
    found = (store.adapters.get(adapter_id) for adapter_id in sorted(foreign))
    return own + [adapter for adapter in found if adapter is not None]
