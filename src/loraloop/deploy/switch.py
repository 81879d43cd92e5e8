"""Moves the live pointer to a release, and lets the production folder follow; the files are verified first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from ..errors import StoreError
from ..failpoints import reached
from ..ports import ArtifactStore, Store
from ..types import Release
from .adoption import adapter_of
from .history import folder_name, metadata_of, return_to
from .production import Production

log = logging.getLogger(__name__)


class Switch:
    """The one place where what is live changes.

    Args:
        store: where the pointer is.
        artifacts: where adapter files are.
        production: the folder that shows what is live.
        now: tells the time.
    """

    def __init__(
        self, store: Store, artifacts: ArtifactStore, production: Production, now: Callable[[], datetime]
    ) -> None:
        self._store, self._artifacts, self.production, self.now = store, artifacts, production, now

    def go_live(
        self, release: Release, live: Release | None, files: Path | None, also: Callable[[], None] = lambda: None
    ) -> Release:
        """Back up what serves, move the pointer, then let ``current`` follow; a crash leaves the old or the new.

        Args:
            live: what serves until now.
            files: the adapter's, verified; ``None`` where the base alone is to serve.
            also: what must be written in the same transaction.

        Raises:
            StaleRelease: another release went live meanwhile.
        """
        self._back_up(live)
        reached("release.backed_up")
        return self._shown(self._published(release, live, also), files)

    def _back_up(self, live: Release | None) -> None:
        if live is not None and live.adapter_id is not None and self.production.current.is_dir():
            self.production.back_up(folder_name(live), self.production.current.resolve(), metadata_of(live))

    def _published(self, release: Release, live: Release | None, also: Callable[[], None] = lambda: None) -> Release:
        with self._store.together():
            also()
            published = self._store.releases.publish(release, live.version if live is not None else 0)
        reached("release.published")
        log.info("release %s (%s) is live, %s by %s", published.id, release.adapter_name, release.method, release.actor)
        return published

    def _shown(self, published: Release, files: Path | None) -> Release:
        if files is None:
            self.production.hide()
        else:
            self._show(published, files)
        reached("release.shown")
        return published

    def go_back(
        self,
        target: Release | None,
        live: Release,
        newest: Release,
        actor: str,
        also: Callable[[], None] = lambda: None,
    ) -> Release:
        """Let an earlier release (``None``: the base alone) be live again; what is withdrawn is backed up after that.

        Args:
            also: what must be written in the same transaction.

        Raises:
            TamperedArtifact, UnknownThing: its files are not what they were; the live one still serves.
            StaleRelease: another release went live meanwhile.
        """
        files = self.files_of(target) if target is not None and target.adapter_id is not None else None
        release = self._published(return_to(target, live, newest, actor=actor, now=self.now()), live, also)
        reached("rollback.published")
        try:
            self._back_up(live)
        except StoreError as error:  # its files are in the store as well; users must not wait for a copy of them
            log.warning("release %s was withdrawn and not backed up: %s", live.id, error)
        self._shown(release, files)
        self._store.releases.set_status(live.id, "reverted")
        log.info("rolled back from release %s to %s as %s", live.id, release.adapter_name, release.id)
        return release

    def take_live(
        self, candidate: Release, live: Release | None, actor: str, trial: timedelta, ending: Callable[[], None]
    ) -> Release:
        """Let a candidate that some users have be live for all; an empty ``trial`` confirms it at once.

        Args:
            ending: ends its experiment, in the transaction that moves the pointer.

        Raises:
            TamperedArtifact, UnknownThing: its files are not what they were; the live one still serves.
            StaleRelease: another release went live meanwhile.
        """
        files = self.files_of(candidate)
        release = replace(
            candidate, actor=actor, previous_id=live.id if live else None, status="on_trial" if trial else "confirmed",
            trial_ends_at=self.now() + trial if trial else None,
        )  # fmt: skip
        return self.go_live(release, live, files, ending)

    def show(self, live: Release) -> None:
        """Let ``current`` lead to the files of what is live.

        Raises:
            TamperedArtifact, UnknownThing: they are not what they were.
        """
        self._show(live, self.files_of(live))

    def files_of(self, release: Release) -> Path:
        """Return the verified files of a release that has an adapter.

        Raises:
            TamperedArtifact, UnknownThing: they are not what they were.
        """
        return self._artifacts.verified(adapter_of(self._store, str(release.adapter_id)).digest)

    def _show(self, release: Release, files: Path) -> None:
        self.production.show(folder_name(release), files, metadata_of(release))
