"""LoRADeploymentManager: what is live, what was, and the way back.

The live pointer is a row in the database, moved by compare-and-swap; ``production/current`` is derived from it. Not
covered here: whether an adapter is good enough (the gate decides), how a process serves it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import DeployError, LoraloopError, UnknownThing
from ..ports import ArtifactStore, Clock, Store
from ..store.artifacts import LocalArtifacts
from ..store.sql import open_store
from ..thresholds import absolute_rules
from ..types import Adapter, Decision, Release, plain
from .adoption import Find, adopt, folder_of, forget, stored_adapters
from .autorollback import let_return, refuse_barred, refuse_without_a_person
from .config import DeploymentConfig
from .history import ALL, before, identity, named, next_release, original, told
from .needs import needed
from .production import Production
from .recovery import leave_damaged, recover
from .retention import removable
from .switch import Switch

log = logging.getLogger(__name__)


class LoRADeploymentManager:
    """Deploys, rolls back, cleans up and remembers.

    Args:
        adapter_dir: where adapters are found by name.
        production_dir: where ``current`` leads to the live adapter's files.
        backup_dir: where replaced releases are kept for a while.
        store: where releases live; ``None`` is ``loraloop.db`` beside ``production_dir``.
        artifacts: where adapter files live; ``None`` is ``adapter_dir``.
        bot: whose releases.
        config: ``None`` for no trial period, as older callers know it.
        clock: tells the time; ``None`` for the system's.

    Attributes:
        find: ``(adapter_dir, name)``, tells in which folder an adapter is kept.
    """

    find: Find = staticmethod(folder_of)

    def __init__(
        self,
        adapter_dir: str | Path = "./outputs/lora_adapters",
        production_dir: str | Path = "./outputs/production_adapters",
        backup_dir: str | Path = "./outputs/adapter_backups",
        *,
        store: Store | None = None,
        artifacts: ArtifactStore | None = None,
        bot: str = "default",
        config: DeploymentConfig | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.adapter_dir, self.production_dir, self.backup_dir = map(Path, (adapter_dir, production_dir, backup_dir))
        self.config = config or DeploymentConfig(trial_hours=0)
        self._given_store, self._artifacts = store, artifacts or LocalArtifacts(self.adapter_dir)
        self._bot, self._clock = bot, clock
        self._production = Production(self.production_dir, self.backup_dir)

    # -- releases -----------------------------------------------------------------------------------------------------

    def release(
        self,
        decision: Decision,
        adapter: Adapter,
        *,
        serving: Mapping[str, Any] | None = None,
        actor: str = "operator",
        method: str = "auto",
        performance: Mapping[str, Any] | None = None,
    ) -> Release:
        """Make a promoted adapter live.

        Args:
            decision: must say ``promote`` for this very adapter, unless ``method`` is ``"force"``.
            serving: everything else an answer depends on.
            actor: who answers for it.

        Raises:
            DeployError: the decision does not promote this adapter. TamperedArtifact: its files changed.
            StaleRelease: another release went live meanwhile. In each case the one before still serves.
        """
        files = self.cleared(decision, adapter, method)
        now, live = self._now(), self._store.releases.live(self._bot)
        hours = self.config.trial_hours
        facts = {
            "adapter_id": adapter.id, "adapter_name": adapter.name, "base_id": adapter.base_id, "method": method,
            "actor": actor, "created_at": now, "status": "on_trial" if hours else "confirmed",
            "decision_id": decision.id, "trial_ends_at": now + timedelta(hours=hours) if hours else None,
            "serving": dict(serving or {}), "performance": plain(performance or {}),
        }  # fmt: skip
        release = next_release(next(iter(self._store.releases.history(self._bot, 1)), None), live, self._bot, facts)
        published = self._switch.go_live(release, live, files)
        if method == "force":
            let_return(self._store.state, self._bot, adapter.digest)
        return published

    def cleared(self, decision: Decision, adapter: Adapter, method: str = "auto") -> Path:
        """Return an adapter's files, verified, if it may go before users.

        Raises:
            DeployError: the decision does not promote this adapter; or it was rolled back automatically, or too much
                was, and nobody forces it. TamperedArtifact: its files changed.
        """
        if decision.adapter_id != adapter.id:
            raise DeployError(f"decision {decision.id} is about {decision.adapter_id}, not {adapter.id}")
        if method != "force":
            if decision.verdict != "promote":
                raise DeployError(f"decision {decision.id} says {decision.verdict}, not promote", hint="loraloop gate")
            refuse_without_a_person(self._store.state, self._bot, adapter.digest, adapter.name)
        return self._artifacts.verified(adapter.digest)

    def take_live(
        self, candidate: Release, *, actor: str, confirmed: bool, ending: Callable[[], None] = lambda: None
    ) -> Release:
        """Make a candidate live, under the id its answers carry; on trial unless users confirmed it.

        ``ending`` ends its experiment, in the transaction that moves the pointer.

        Raises:
            TamperedArtifact: its files changed. StaleRelease: another release went live meanwhile.
        """
        trial = timedelta(hours=0.0 if confirmed else self.config.trial_hours)
        return self._switch.take_live(candidate, self._store.releases.live(self._bot), actor, trial, ending)

    def confirm(self, release_id: str | None = None, actor: str = "operator") -> Release:
        """End the trial of a release (the live one unless named): it stays.

        Raises:
            UnknownThing: there is no such release of this bot.
        """
        releases = self._store.releases
        found = releases.live(self._bot) if release_id is None else releases.get(release_id)
        if found is None or found.bot != self._bot:
            raise UnknownThing(f"no release {release_id or 'live'} of bot {self._bot!r}")
        releases.set_status(found.id, "confirmed")
        log.info("release %s confirmed by %s", found.id, actor)
        return releases.get(found.id) or found

    def recover(self) -> list[str]:
        """Put right what a crash or a missed deadline left behind; called whenever a home is opened.

        Returns:
            What was done, in words; empty when nothing had to be.
        """
        return recover(self._switch, self._store, self._bot)

    def leave_damaged(self) -> list[str]:
        """Go back to the newest whole release, else the base, if the live adapter is damaged; returns what was done."""
        return leave_damaged(self._switch, self._store, self._bot)

    # -- the older interface ------------------------------------------------------------------------------------------

    def deploy_adapter(
        self, adapter_name: str, performance: Mapping[str, Any], force_deploy: bool = False
    ) -> dict[str, Any]:
        """Deploy an adapter by name on a performance the caller vouches for.

        Returns:
            ``success, adapter_name, deployed_at, performance, production_path``; a refusal has ``success=False`` and
            ``reason``, a failure ``error``.
        """
        rules = absolute_rules(performance)
        failed = [f"{r.rule} is {r.observed}, required {r.required}" for r in rules if not r.passed]
        told = {"adapter_name": adapter_name, "performance": plain(performance)}
        if failed and not force_deploy:
            log.info("adapter %s was not deployed: %s", adapter_name, "; ".join(failed))
            return {"success": False, **told, "reason": "; ".join(failed)}
        try:
            now = self._now()
            adapter = adopt(
                adapter_name, self.adapter_dir, self._artifacts, self._store, bot=self._bot, now=now, find=self.find
            )
            decision = Decision(
                identity("dc", adapter.id, now.isoformat()), self._bot, adapter.id, "hold" if failed else "promote",
                now, "caller", rules=rules, reason="caller-asserted" + (", forced" if force_deploy else ""),
            )  # fmt: skip
            self._store.decisions.put(decision)
            method = "force" if force_deploy else "auto"
            release = self.release(decision, adapter, actor="caller", method=method, performance=performance)
        except LoraloopError as error:
            log.warning("adapter %s could not be deployed: %s", adapter_name, error)
            return {"success": False, **told, "error": str(error), "hint": error.hint}
        at, path = release.created_at.isoformat(), str(self._production.current)
        return {"success": True, **told, "deployed_at": at, "production_path": path, "release_id": release.id}

    def rollback_adapter(
        self, target_adapter: str | None = None, *, actor: str = "operator", also: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Go back to an earlier release: the same bytes, verified.

        Args:
            target_adapter: an adapter's name or id, a release's id or version, or ``"base"``; ``None`` is the release
                before the live one (the base alone before the first).
            also: what must be written in the same transaction.

        Returns:
            ``success, target_adapter, rolled_back_from, deployed_at, release_id``, or ``success=False`` and ``error``.
        """
        live = self._store.releases.live(self._bot)
        try:
            if live is None:
                raise DeployError("nothing was ever deployed, so there is nothing to go back from")
            releases = self._store.releases.history(self._bot, ALL)
            target = before(live, releases) if target_adapter is None else named(target_adapter, releases)
            if target_adapter is not None and target is not None:
                refuse_barred(self._store, self._bot, target)
            if target == original(live, {release.id: release for release in releases}):
                raise DeployError(f"{live.adapter_name} is what is live already", hint="name another: loraloop history")
            release = self._switch.go_back(target, live, releases[0], actor, also)
        except LoraloopError as error:
            log.warning("roll back to %s failed: %s", target_adapter or "the previous release", error)
            return {"success": False, "target_adapter": target_adapter, "error": str(error), "hint": error.hint}
        return {
            "success": True,
            "target_adapter": release.adapter_name,
            "rolled_back_from": live.adapter_name,
            "deployed_at": release.created_at.isoformat(),
            "release_id": release.id,
        }

    def cleanup_old_adapters(self, keep_count: int | None = 5, *, dry_run: bool = False) -> dict[str, Any]:
        """Remove old adapters and backups; never the live, previous, on-trial or pinned ones of any bot of the home.

        Args:
            keep_count: newest adapters to keep besides; ``None`` is the setting.
            dry_run: only say what would go.
        """
        keep = self.config.keep_adapters if keep_count is None else max(0, keep_count)
        live = self._store.releases.live(self._bot)
        stored = stored_adapters(self.adapter_dir, self._artifacts, self._store, self._bot)
        safe = needed(self._store, self._artifacts, self._bot, self.config, now=self._now())
        gone = removable(stored, safe, keep)
        backups = 0
        if not dry_run:
            for one in gone:
                forget(one, self.adapter_dir, self._artifacts)
            backups = self._production.drop_backups(self._now(), self.config.backup_days)
        return {
            "success": True,
            "total_adapters": len(stored),
            "kept_adapters": len(stored) - len(gone),
            "deleted_adapters": len(gone),
            "deleted_adapter_names": [one.name for one in gone],
            "deleted_backups": backups,
            "current_production": live.adapter_name if live is not None and live.adapter_id else None,
        }

    def get_deployment_history(self, limit: int = 10) -> list[dict[str, Any]]:
        """Return the newest deployments first."""
        releases = self._store.releases.history(self._bot, ALL)
        names = {release.id: release.adapter_name for release in releases}
        return [told(release, names.get(release.previous_id or "")) for release in releases[:limit]]

    def get_current_production_info(self) -> dict[str, Any]:
        """Return what is live, or ``{"status": "no_production_adapter"}``."""
        live = self._store.releases.live(self._bot)
        if live is None or live.adapter_id is None:
            return {"status": "no_production_adapter"}
        metadata = self._production.metadata()
        return {
            "adapter_name": live.adapter_name,
            "production_path": str(self._production.current),
            "has_metadata": bool(metadata),
            "deployed_at": live.created_at.isoformat(),
            "performance": plain(live.performance),
            "deployment_method": live.method,
            "metadata": metadata,
            "release_id": live.id,
            "status": live.status,
        }

    # -- how it is done -----------------------------------------------------------------------------------------------

    @cached_property
    def _store(self) -> Store:
        return self._given_store or open_store(self.production_dir.parent / "loraloop.db", self._clock)

    @cached_property
    def _switch(self) -> Switch:
        return Switch(self._store, self._artifacts, self._production, self._now)

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
