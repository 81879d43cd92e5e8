"""The choice of parts: one home folder, opened as the components that work on it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .controller import Loop, Parts
from .errors import UnknownThing
from .homes import SETTINGS_FILE, home_folder, init_home, refuse_lost_database
from .lm.bases import Base, find_base
from .schedule.asking import Inbox
from .settings import Settings, load_settings
from .store.artifacts import LocalArtifacts
from .store.ledger import Ledger
from .store.secret import kept_secrets
from .store.sql import SqlStore, open_store
from .store.turn_lock import TurnLock
from .tending import tend
from .turns import last_turn

if TYPE_CHECKING:
    from .data.manager import LoRADataManager
    from .deploy.manager import LoRADeploymentManager
    from .evaluate.evaluator import LoRAEvaluator
    from .evaluate.looks import LookPlan
    from .evaluate.other_base import OtherBase
    from .forgetting import Forgetting
    from .lm.template import Template
    from .lm.yielding import Yielding
    from .schedule.scheduler import LoRAScheduler
    from .train.core import LoRATrainerCore
    from .types import Conversation, Dataset, Decision, Message, Report

__all__ = ["Home", "home_folder", "init_home", "open_home"]

SUITES = {"en": ("en_small_talk",), "ko": ("ko_meals", "ko_small_talk")}
"""Suites asked where the settings name none, by the bot's language."""


class Home:
    """One home folder, opened for one bot. Parts are made when first asked for; close it, or use ``with``.

    Attributes:
        folder: the home. settings: as resolved. bot: whose parts these are. store, artifacts: where values live.
        recovered: what opening put right, in words.
    """

    def __init__(self, folder: Path, settings: Settings, bot: str | None = None) -> None:
        self.folder, self.settings = folder, settings
        self.bot = bot or settings.bot
        self.recovered: tuple[str, ...] = ()
        self._opened_at = time.time_ns()
        self.artifacts = LocalArtifacts(folder)
        self.store: SqlStore = open_store(settings.store.url or folder / "loraloop.db", keys=lambda: self.secrets)

    def __enter__(self) -> Home:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def of(self, bot: str) -> Home:
        """Open the same home for another of its bots; close it, or use ``with``."""
        return Home(self.folder, self.settings, bot)

    @cached_property
    def secret(self) -> bytes:
        """The key of pseudonyms and row digests: 32 random bytes in ``secret.key``, readable by the owner alone."""
        return self.secrets[0]

    @cached_property
    def secrets(self) -> list[bytes]:
        """Every key this home had, the newest first."""
        return kept_secrets(self.folder / "secret.key", self.store.people.is_any_known)

    def pseudonyms(self, user: str) -> list[str]:
        """Return the names under which a person may be stored here; see ``data.exchanges.pseudonyms``."""
        from .data.exchanges import pseudonyms

        return pseudonyms(user, self.secrets)

    @cached_property
    def forgetting(self) -> Forgetting:
        """Forgets people and conversations of this home, whichever bot they talked to."""
        from .forgetting import Forgetting, Places

        config = self.settings.privacy
        ledger = Ledger.beside(self.folder, config.tombstones)
        here = (self.folder, self.store, self.artifacts, ledger, config, self.bot)
        return Forgetting(Places(*here, self._roll_back, self.turn_lock))

    def _roll_back(self, bot: str, target: str, actor: str) -> Mapping[str, Any]:
        with self.of(bot) as other:
            return other.deployer.rollback_adapter(target, actor=actor)

    @cached_property
    def turn_lock(self) -> TurnLock:
        """Held by whoever turns this bot's loop."""
        return TurnLock(self.folder, self.bot)

    @cached_property
    def inbox(self) -> Inbox:
        """Where other processes ask this bot's scheduler for runs."""
        return Inbox(self.folder, self.bot)

    @cached_property
    def base(self) -> Base:
        """The base model, ready on disk (a GGUF is converted once).

        Raises:
            ModelError: it is not on this machine.
        """
        return find_base(self.settings.base.model, self.folder / "bases")

    @cached_property
    def template(self) -> Template:
        """The base's chat template with the bot's system prompt."""
        from .lm.loader import load_tokenizer
        from .lm.template import Template

        return Template(load_tokenizer(self.base.folder), self.settings.base.system_prompt)

    @cached_property
    def data(self) -> LoRADataManager:
        """The data manager over this home's store."""
        from .data.manager import LoRADataManager

        return LoRADataManager(
            None, self.settings.data, store=self.store, bot=self.bot, secret=self.secret, trust=self.settings.trust
        )

    @cached_property
    def yielding(self) -> Yielding:
        """Makes training and evaluation give way to whoever is answered by this home's gateway."""
        from .lm.yielding import Yielding
        from .serving_sign import SignSeen

        return Yielding(self.settings.yielding, SignSeen(self.folder))

    @cached_property
    def trainer(self) -> LoRATrainerCore:
        """The trainer; adapters go to ``objects/`` and get their names in ``adapters/``."""
        from .train.core import LoRATrainerCore

        config = self.settings.train.model_copy(update={"output_dir": str(self.adapter_dir)})
        return LoRATrainerCore(
            self.settings.base.model, config, artifacts=self.artifacts, cache=self.folder / "bases", bot=self.bot,
            yielding=self.yielding,
        )  # fmt: skip

    @cached_property
    def evaluator(self) -> LoRAEvaluator:
        """The evaluator, with the suites of the settings or of the bot's language."""
        from .evaluate.evaluator import LoRAEvaluator
        from .evaluate.judge import judge_of
        from .evaluate.past import remembered

        chosen = self.settings.evaluate
        suites = chosen.suites or SUITES[self.settings.language]
        update: dict[str, Any] = {"adapter_dir": str(self.adapter_dir), "suites": suites}
        if "max_new_tokens" not in chosen.model_fields_set:
            update["max_new_tokens"] = self.settings.base.max_new_tokens  # judged as it will answer
        return LoRAEvaluator(
            self.settings.base.model,
            chosen.model_copy(update=update),
            cache=self.folder / "bases",
            system_prompt=self.settings.base.system_prompt,
            bot=self.bot,
            judge=judge_of(chosen),
            recall=lambda: remembered(self.store.reports, self.bot),
            looks=self._looks if chosen.stop_early else None,
            notes=self.folder / "evaluations" / f"{self.bot}.jsonl",
            taught=lambda dataset_id: self.data.taught(dataset_id),
            suspects=lambda dataset_id: self.data.suspects(dataset_id),
            yielding=self.yielding,
        )

    @cached_property
    def deployer(self) -> LoRADeploymentManager:
        """The deployment manager of this home."""
        from .deploy.manager import LoRADeploymentManager

        return LoRADeploymentManager(
            str(self.adapter_dir),
            str(self.folder / "production" / self.bot),
            str(self.folder / "backups" / self.bot),
            store=self.store, artifacts=self.artifacts, bot=self.bot, config=self.settings.deploy,
        )  # fmt: skip

    @cached_property
    def scheduler(self) -> LoRAScheduler:
        """The scheduler; its state lives in the store."""
        from .schedule.arrivals import StoreArrivals
        from .schedule.scheduler import LoRAScheduler

        return LoRAScheduler(
            self.settings.schedule, state=self.store.state, key=f"scheduler:{self.bot}", inbox=self.inbox,
            arrivals=StoreArrivals(self.store, self.bot, self.secret), turning=self.turn_lock.held,
            last_turn=lambda: last_turn(self.store.state, self.bot), owed=lambda: self.forgetting.owed(self.bot),
        )  # fmt: skip

    @cached_property
    def loop(self) -> Loop:
        """The loop over these parts."""
        parts = Parts(
            data=self.data, trainer=self.trainer, evaluator=self.evaluator, deployer=self.deployer, decide=self.decide,
            base_id=lambda: self.base.id, template=lambda: self.template, serving=self.serving,
            max_length=self.settings.train.max_length,
            config_digest=self.settings.train.digest(),
            turning=self.turn_lock.held,
            name_adapter=lambda name, digest: self.artifacts.alias(self.adapter_dir, name, digest),
            other_base=self._other_base,
        )  # fmt: skip
        return Loop(parts, self.store, self.artifacts, bot=self.bot)

    def decide(self, report: Report, *, actor: str, now: datetime) -> Decision:
        """What the gate says about a report, at the error that this bot's pace of turns allows; nothing is kept."""
        from .evaluate.gate import decide

        return decide(report, self.settings.gate, actor=actor, now=now, turns_a_year=self._pace(now))

    def _other_base(self, dataset: Dataset | None) -> OtherBase | None:
        from .live_base import other_base

        return other_base(self, dataset)

    def _looks(self, rows: int) -> LookPlan | None:
        from .evaluate.gate import plan_looks

        return plan_looks(rows, self.settings.gate, self._pace(datetime.now(UTC)))

    def _pace(self, now: datetime) -> float:
        """Decisions a year, at the pace of late."""
        from .evaluate.past import turns_a_year

        return turns_a_year(self.store.decisions, self.bot, now)

    def record(
        self, messages: Sequence[Message], answer: str, *, consent: str, user: str | None = None, subject: str = "live"
    ) -> Conversation:
        """Store an exchange with the release that answered it (none where a mere adapter or the base did)."""
        from .data.exchanges import record_exchange

        live = self.store.releases.live(self.bot) if subject == "live" else None
        return record_exchange(
            self.store, bot=self.bot, messages=messages, answer=answer, release_id=live.id if live else None,
            consent=consent, session=f"{os.getpid()}-{self._opened_at}", user=user, secret=self.secret,
        )  # fmt: skip

    @property
    def adapter_dir(self) -> Path:
        """Folder in which this bot's adapters are found by name."""
        return self.folder / "adapters" / self.bot

    def serving(self) -> Mapping[str, Any]:
        """What a release remembers beside its adapter: everything else an answer depends on."""
        return {
            "base_id": self.base.id,
            "base": self.settings.base.model,
            "template_digest": self.template.digest,
            "system_prompt": self.settings.base.system_prompt,
            "decoding": self.settings.base.decoding(),
        }


def open_home(
    folder: str | Path | None = None, *, bot: str | None = None, settings: Settings | None = None, tended: bool = True
) -> Home:
    """Open a home made by ``init_home``, after what is due was done unless it is to be ``tended`` later.

    Raises:
        UnknownThing: there is no home. SettingsError: its settings are wrong. StoreError: its database is.
    """
    home = home_folder(folder)
    if settings is None:
        if not (home / SETTINGS_FILE).is_file():
            raise UnknownThing(f"there is no home at {home}", hint="make one: loraloop init")
        settings = load_settings(home)
    if not settings.store.url:
        refuse_lost_database(home)
    opened = Home(home, settings, bot)
    try:
        if tended:
            opened.recovered = tend(opened)
    except BaseException:
        opened.close()
        raise
    return opened
