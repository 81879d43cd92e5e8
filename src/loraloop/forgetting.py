"""Forgetting a person: their rows now, what learnt from them by a deadline or at once, and for ever.

The order matters. Tombstones are written first, beside the home, so that whatever is cut off is done anew when the home
is opened next; so is a home that was restored from a backup. What names them goes and what they touched is written down
in one transaction, and with it that bytes are still to be overwritten: whoever opens the home next finishes that.
An adapter that learnt from them is never released again. One that serves is rebuilt without them by the loop; where
that has not happened by the deadline, it is rolled back.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .deploy.history import ALL, BASE, way_back
from .errors import LoraloopError, StoreBusy
from .failpoints import reached
from .ports import ArtifactStore, Clock
from .store.durable import write_durably
from .store.erasure import Erased
from .store.erasures import Erasure
from .store.ledger import Ledger
from .store.privacy import PrivacyConfig
from .store.sql import SqlStore
from .store.turn_lock import TurnLock
from .traces import drop_set_aside, drop_unfinished, drop_weights, scrub_files
from .types import Adapter, Release

log = logging.getLogger(__name__)

RECEIPTS, _PRUNE_TOGETHER = "receipts", 5_000
_UNFINISHED, _PRUNED = "erasures:unfinished", "privacy:pruned"
_PRUNE_EVERY = timedelta(days=1)
"""Between two prunings by itself: each rewrites the database file, and talk that grows old comes every minute."""


@dataclass(frozen=True)
class Places:
    """What forgetting works on.

    Attributes:
        folder: the home. bot: whose events tell of things that concern no bot.
        roll_back: ``(bot, target, actor)``, as ``deploy`` does it; returns ``success`` and ``target_adapter``.
        turn: the lock of that bot's turn.
    """

    folder: Path
    store: SqlStore
    artifacts: ArtifactStore
    ledger: Ledger
    config: PrivacyConfig
    bot: str
    roll_back: Callable[[str, str, str], Mapping[str, Any]]
    turn: TurnLock


class Forgetting:
    """Forgets people, and sees to it that they stay forgotten.

    Args:
        places: the home's parts.
        clock: tells the time; ``None`` for the system's.
    """

    def __init__(self, places: Places, clock: Clock | None = None) -> None:
        self._at, self._clock = places, clock

    def forget(self, people: Collection[str], *, now: bool = False, actor: str = "operator") -> dict[str, Any]:
        """Erase everything of some people and return the receipt, which names nobody.

        Args:
            people: pseudonyms of one person, one for each key the home ever had.
            now: take what learnt from them out of service at once: back to an untouched release, or the base.
            actor: who answers for it.
        """
        store = self._at.store
        ids = store.eraser.conversations_of(people)
        meant = [*(("person", one) for one in people), *(("conversation", one) for one in ids)]
        self._at.ledger.add(digest for kind, value in meant for digest in store.tombstones.digests_of(kind, value))
        reached("forget.remembered")
        return self._erase(people, ids, now=now, actor=actor)

    def look_after(self) -> list[str]:
        """Do what is due, whenever a home is opened and before each scheduled turn; returns what was done, in words."""
        self._finish_cut_off()
        done = [*self.reapply(), *self.settle()]
        self._prune_daily()
        return done

    def reapply(self) -> list[str]:
        """Erase again what a restored backup brought back; returns what was done, in words."""
        store, ledger = self._at.store, self._at.ledger
        written, stored = ledger.digests(), store.tombstones.all()
        ledger.add(stored - written)
        if not written - stored:
            return []
        people, conversations = store.tombstones.risen(written - stored)
        if not (people or conversations):
            store.tombstones.remember(written)
            return []
        receipt = self._erase(people, conversations, now=False, actor="restore")
        store.tombstones.remember(written)
        return [f"{receipt['conversations']} conversations of forgotten people were in a restored backup; erased again"]

    def settle(self) -> list[str]:
        """Close erasures that nothing live contradicts, and roll back what is overdue; returns what was done."""
        done: list[str] = []
        for erasure in self._at.store.erasures.owed():
            serving = self._serving(erasure.adapters)
            if serving and self._now() > erasure.due_at:
                for bot, release in serving.items():
                    went = self._roll_back(bot, release, "erasure deadline")
                    done.append(f"{release.adapter_name} of {bot} learnt from somebody who was forgotten and was not "
                                f"rebuilt by {erasure.due_at:%Y-%m-%d %H:%M} UTC; went back to {went}")  # fmt: skip
                serving = self._serving(erasure.adapters)
            if not serving:
                self._at.store.erasures.settle(erasure.id, self._now())
                self._drop_weights()
        return done

    def prune(self, days: float | None = None, *, dry_run: bool = False) -> int:
        """Erase conversations older than ``days`` (``None``: the setting; 0: none); returns how many."""
        kept_days = self._at.config.retention_days if days is None else days
        if not kept_days:
            return 0
        store = self._at.store
        old = store.eraser.older_than(self._now() - timedelta(days=kept_days))
        if not old or dry_run:
            return len(old)
        for begin in range(0, len(old), _PRUNE_TOGETHER):
            with store.together():
                erased = store.eraser.erase((), old[begin : begin + _PRUNE_TOGETHER], for_ever=False)
                scrub_files(self._at.folder, erased.conversations, erased.texts)
                self._note(_PRUNED, unfinished=True)
        store.eraser.scrub()
        self._note(_PRUNED, unfinished=False)
        return len(old)

    def owed(self, bot: str) -> str | None:
        """Return why a bot's loop must turn soon, in words; ``None`` where it need not."""
        for erasure in self._at.store.erasures.owed():
            if bot in self._serving(erasure.adapters):
                due = f"{erasure.due_at:%Y-%m-%d %H:%M} UTC"
                return f"somebody whom the live adapter learnt from was forgotten; a rebuild is due by {due}"
        return None

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _erase(
        self, people: Collection[str], conversations: Collection[str], *, now: bool, actor: str
    ) -> dict[str, Any]:
        at, store, erasure_id = self._now(), self._at.store, f"er-{secrets.token_hex(8)}"
        due_at = at if now else at + timedelta(hours=self._at.config.rebuild_hours)
        with store.together():
            erased = store.eraser.erase(people, conversations)
            reached("forget.erased")
            files = scrub_files(self._at.folder, erased.people | erased.conversations, erased.texts)
            serving = self._serving(erased.adapters)
            facts: dict[str, Any] = {
                "erasure": erasure_id,
                "at": at.isoformat(),
                "actor": actor,
                "conversations": len(erased.conversations),
                "rows": erased.rows,
                "quotations_in_reports": erased.quotations,
                "files": files,
                "datasets": erased.datasets,
                "adapters": erased.adapters,
                "releases": erased.releases,
                "live": {bot: release.id for bot, release in serving.items()},
                "rebuild_due": due_at.isoformat() if serving else None,
            }
            erasure = Erasure(erasure_id, at, due_at, None, facts, erased.adapters)
            store.erasures.put(erasure, self._bots(erased) or [self._at.bot], actor)
            self._note(erasure_id, unfinished=True)
        reached("forget.recorded")
        facts["turns_under_way"] = [bot for bot in self._bots(erased) if not self._drop_unfinished(bot)]
        facts["rolled_back_to"] = {bot: self._roll_back(bot, one, actor) for bot, one in serving.items()} if now else {}
        self._drop_weights()
        store.eraser.scrub()
        reached("forget.scrubbed")
        self.settle()
        facts["seconds"] = round((self._now() - at).total_seconds(), 2)
        self._write_receipt(erasure_id, facts)
        self._note(erasure_id, unfinished=False)
        log.info("erasure %s: %d conversations, %d adapters touched", erasure_id, len(erased.conversations),
                 len(erased.adapters))  # fmt: skip
        return facts

    def _finish_cut_off(self) -> None:
        """Do what erasures and prunings that were cut off after their transaction left to be done."""
        store = self._at.store
        unfinished = store.state.read(_UNFINISHED)
        if not unfinished:
            return
        for bot in store.bots():
            self._drop_unfinished(bot)
        self._drop_weights()
        try:
            store.eraser.scrub()
        except StoreBusy as error:
            log.warning("bytes of what was erased are still to be overwritten: %s", error)
            return
        for erasure in store.erasures.all():
            if erasure.id in unfinished and not self._receipt(erasure.id).exists():
                self._write_receipt(erasure.id, erasure.facts)
        for one in unfinished:
            self._note(one, unfinished=False)

    def _prune_daily(self) -> None:
        """Prune where that was not done today; not while a turn is under way, for it would lose rows that it uses."""
        if not self._at.config.retention_days:
            return
        store, now = self._at.store, self._now()
        last = store.state.read(_PRUNED)
        if last and timedelta(0) <= now - datetime.fromisoformat(last) < _PRUNE_EVERY:
            return
        try:
            with ExitStack() as turns:
                for bot in sorted({*store.bots(), self._at.bot}):
                    turns.enter_context(self._turn_of(bot).held())
                self.prune()
                store.state.write(_PRUNED, now.isoformat())
        except StoreBusy as error:
            log.info("what is kept too long is pruned later: %s", error)

    def _note(self, what: str, *, unfinished: bool) -> None:
        with self._at.store.together():
            noted = {*(self._at.store.state.read(_UNFINISHED) or ())} - {what}
            self._at.store.state.write(_UNFINISHED, sorted(noted | {what} if unfinished else noted))

    def _receipt(self, erasure_id: str) -> Path:
        return self._at.folder / RECEIPTS / f"{erasure_id}.json"

    def _write_receipt(self, erasure_id: str, facts: Mapping[str, Any]) -> None:
        path = self._receipt(erasure_id)
        path.parent.mkdir(exist_ok=True)
        write_durably(path, json.dumps(dict(facts), indent=2) + "\n")

    def _bots(self, erased: Erased) -> list[str]:
        return sorted({*erased.bots, *self._at.store.bots()})

    def _serving(self, adapters: Collection[str]) -> dict[str, Release]:
        """The live releases, by bot, of some adapters."""
        found = {bot: self._at.store.releases.live(bot) for bot in self._at.store.bots()}
        return {bot: live for bot, live in found.items() if live is not None and live.adapter_id in adapters}

    def _roll_back(self, bot: str, live: Release, actor: str) -> str | None:
        """Go back to the nearest release that learnt nothing from the forgotten; returns its adapter's name."""
        touched = self._at.store.erasures.touched()
        for target in way_back(live, self._at.store.releases.history(bot, ALL)):
            if target is None or target.adapter_id not in touched:
                went = self._at.roll_back(bot, target.id if target else BASE, actor)
                if went["success"]:
                    return str(went["target_adapter"])
                log.warning("cannot go back to %s: %s", target.id if target else BASE, went.get("error"))
        return None

    def _drop_unfinished(self, bot: str) -> bool:
        """Remove checkpoints of a bot's unfinished training; False while its loop is being turned."""
        try:
            with self._turn_of(bot).held():
                drop_unfinished(self._at.folder / "adapters" / bot)
        except StoreBusy:
            return False
        return True

    def _turn_of(self, bot: str) -> TurnLock:
        return self._at.turn if bot == self._at.bot else TurnLock(self._at.folder, bot)

    def _drop_weights(self) -> None:
        """Remove the files of touched adapters that do not serve and that no other adapter shares."""
        store = self._at.store
        touched = store.erasures.touched()
        known: list[Adapter] = [adapter for bot in store.bots() for adapter in store.adapters.list(bot, ALL)]
        live = {bot: store.releases.live(bot) for bot in store.bots()}
        serving = {release.adapter_id for release in live.values() if release is not None}
        needed = {adapter.digest for adapter in known if adapter.id not in touched or adapter.id in serving}
        for digest in {adapter.digest for adapter in known if adapter.id in touched} - needed:
            if digest in self._at.artifacts.digests():
                try:
                    self._at.artifacts.remove(digest)
                except LoraloopError as error:
                    log.warning("adapter files %s could not be removed: %s", digest[:16], error)
        drop_set_aside(self._at.folder, {adapter.digest for adapter in known if adapter.id in touched})
        for bot, release in live.items():
            drop_weights(self._at.folder, bot, touched, release.adapter_id if release is not None else None)

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
