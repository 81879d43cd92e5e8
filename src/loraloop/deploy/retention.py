"""What clean-up may remove: a pure decision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..types import Adapter, Release
from .history import before


@dataclass(frozen=True, slots=True)
class Stored:
    """An adapter on disk.

    Attributes:
        name: its newest name. digest: of its object; ``None`` for a plain folder somebody put there.
    """

    name: str
    digest: str | None


def removable(stored: Sequence[Stored], protected: Collection[str], keep_count: int) -> list[Stored]:
    """Return the adapters clean-up may remove: neither among the newest ``keep_count`` nor protected.

    Args:
        stored: newest first.
        protected: names and digests that must stay.

    Example:
        >>> removable([Stored("c", "3"), Stored("b", "2"), Stored("a", "1")], {"1"}, 1)
        [Stored(name='b', digest='2')]
    """
    return [one for one in stored[keep_count:] if one.name not in protected and one.digest not in protected]


def protected(
    live: Release | None,
    releases: Sequence[Release],
    adapters: Sequence[Adapter],
    pinned: Collection[str],
    *,
    now: datetime,
) -> set[str]:
    """Return the names and digests that clean-up must leave for one bot: live, previous, on trial, candidate, pinned.

    A release that was replaced before anybody confirmed it counts as on trial until its trial would have ended.

    Args:
        releases: of one bot, newest first.
        adapters: that this bot trained or released.
        pinned: names or ids.
    """
    on_trial = [release for release in releases if release.status == "on_trial"]
    wanted = {release.adapter_id for release in on_trial if release.trial_ends_at and release.trial_ends_at >= now}
    wanted |= {release.adapter_id for release in releases if release.status == "candidate"}
    if live is not None:
        previous = before(live, releases)
        wanted |= {live.adapter_id, previous.adapter_id if previous else None}
    return {a.digest for a in adapters if a.id in wanted or a.id in pinned or a.name in pinned} | set(pinned)
