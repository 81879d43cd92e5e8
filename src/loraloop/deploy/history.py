"""Which release comes next, came before, or is meant: pure functions over the history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..errors import UnknownThing
from ..types import Release

ALL = 1_000_000
"""A limit that no history reaches."""
BASE = "base"
"""Name of the base alone, as a target of a rollback."""
RESTORES = "restores"
"""Key in ``Release.serving``: the release that a rollback brought back."""


def identity(prefix: str, *parts: object) -> str:
    """Return ``prefix-`` and 16 hex digits of the SHA-256 of the parts."""
    return f"{prefix}-{hashlib.sha256(' '.join(map(str, parts)).encode()).hexdigest()[:16]}"


def next_release(newest: Release | None, live: Release | None, bot: str, facts: Mapping[str, Any]) -> Release:
    """Return the release that follows: the next version, with the live one as its previous.

    Args:
        newest: the release with the highest version.
        facts: every other field.
    """
    version = newest.version + 1 if newest is not None else 1
    release_id = identity("rl", bot, version, facts["adapter_id"], facts["created_at"].isoformat(), facts["actor"])
    return Release(id=release_id, bot=bot, version=version, previous_id=live.id if live else None, **facts)


def original(release: Release, by_id: Mapping[str, Release]) -> Release | None:
    """Return the release a rollback brought back, at the end of the chain; itself where it is no rollback.

    ``None`` means the base alone was brought back.
    """
    seen = release
    while seen.method == "rollback":
        restored = seen.serving.get(RESTORES)
        if restored is None:
            return None
        if restored not in by_id:
            return seen
        seen = by_id[restored]
    return seen


def before(live: Release, releases: Sequence[Release]) -> Release | None:
    """Return what a rollback without a target goes back to; ``None`` is the base alone.

    Going back twice goes back two releases: a rollback counts as the release it brought back.
    """
    by_id = {release.id: release for release in releases}
    effective = original(live, by_id)
    if effective is None or effective.previous_id is None:
        return None
    earlier = by_id.get(effective.previous_id)
    return original(earlier, by_id) if earlier is not None else None


def way_back(live: Release, releases: Sequence[Release]) -> Iterator[Release | None]:
    """Yield what can be gone back to, nearest first: the release before, the one before that, ..., the base alone."""
    at: Release | None = live
    while at is not None:
        at = before(at, releases)
        yield at


def named(target: str, releases: Sequence[Release]) -> Release | None:
    """Return the newest release a person means: its adapter's name or id, or its id or version; ``None`` is the base.

    An adapter's name goes before everything else it could mean; capitals in it make no difference.

    Raises:
        UnknownThing: none was ever released.
    """
    shown = [release for release in releases if release.status not in ("candidate", "withdrawn")]
    newest_first = sorted(shown, key=lambda release: -release.version)
    called = [one for one in newest_first if one.adapter_id and one.adapter_name.lower() == target.lower()]
    meant = [one for one in newest_first if target in (one.id, str(one.version), one.adapter_id)]
    found = next(iter(called or meant), None)
    if found is not None:
        return original(found, {release.id: release for release in releases})
    if target == BASE:
        return None
    raise UnknownThing(f"{target!r} was never released", hint="see loraloop history")


def return_to(target: Release | None, live: Release, newest: Release, *, actor: str, now: datetime) -> Release:
    """Return the release that brings ``target`` (``None``: the base alone) back; it needs no trial."""
    kept = target or replace(live, adapter_id=None, adapter_name=BASE, decision_id=None, performance={})
    facts = {
        "adapter_id": kept.adapter_id,
        "adapter_name": kept.adapter_name,
        "base_id": kept.base_id,
        "method": "rollback",
        "actor": actor,
        "created_at": now,
        "status": "confirmed",
        "decision_id": kept.decision_id,
        "serving": {**kept.serving, RESTORES: target.id if target else None},
        "performance": dict(kept.performance),
    }
    return next_release(newest, live, live.bot, facts)


def told(release: Release, previous_adapter: str | None) -> dict[str, Any]:
    """Return a release as the older interface tells its history."""
    return {
        "adapter_name": release.adapter_name,
        "deployed_at": release.created_at.isoformat(),
        "performance": release["performance"],
        "previous_adapter": previous_adapter,
        "deployment_method": release.method,
        "release_id": release.id,
        "version": release.version,
        "status": release.status,
        "actor": release.actor,
    }


def folder_name(release: Release) -> str:
    """Return the name of the folder in which a release's files are shown."""
    return f"v{release.version:05d}-{release.id.removeprefix('rl-')[:8]}"


def metadata_of(release: Release) -> dict[str, Any]:
    """Return what stands beside a release's files, for whoever reads only the folder."""
    return told(release, None) | {"deployed_by": "loraloop", "adapter_id": release.adapter_id}
