"""The choice of parts: one home folder, opened as the components that work on it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .controller import Loop, Parts, last_turn
from .errors import StoreError, UnknownThing, UsageError
from .lm.bases import Base, find_base
from .schedule.asking import Inbox
from .settings import Settings, default_toml, load_settings
from .store.artifacts import LocalArtifacts
from .store.durable import write_durably
from .store.secret import home_secret
from .store.sql import SqlStore, open_store
from .store.turn_lock import TurnLock

if TYPE_CHECKING:
    from .data.manager import LoRADataManager
    from .deploy.manager import LoRADeploymentManager
    from .evaluate.evaluator import LoRAEvaluator
    from .lm.speaker import Speaker
    from .lm.template import Template
    from .schedule.scheduler import LoRAScheduler
    from .train.core import LoRATrainerCore
    from .types import Conversation, Decision, Message, Report

DEFAULT_HOME = "./.loraloop"
SETTINGS_FILE = "loraloop.toml"
SUITES = {"en": ("en_small_talk",), "ko": ("ko_meals", "ko_small_talk")}
"""Suites asked where the settings name none, by the bot's language."""


def home_folder(folder: str | Path | None = None) -> Path:
    """Return the home: the folder named, else ``LORALOOP_HOME``, else ``./.loraloop``."""
    return Path(folder or os.environ.get("LORALOOP_HOME") or DEFAULT_HOME).expanduser().absolute()


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
        self.store: SqlStore = open_store(settings.store.url or folder / "loraloop.db")

    def __enter__(self) -> Home:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    @cached_property
    def secret(self) -> bytes:
        """The key of pseudonyms and row digests: 32 random bytes in ``secret.key``, readable by the owner alone."""
        return home_secret(self.folder / "secret.key")

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

        return LoRADataManager(None, self.settings.data, store=self.store, bot=self.bot, secret=self.secret)

    @cached_property
    def trainer(self) -> LoRATrainerCore:
        """The trainer; adapters go to ``objects/`` and get their names in ``adapters/``."""
        from .train.core import LoRATrainerCore

        config = self.settings.train.model_copy(update={"output_dir": str(self.adapter_dir)})
        return LoRATrainerCore(
            self.settings.base.model, config, artifacts=self.artifacts, cache=self.folder / "bases", bot=self.bot
        )

    @cached_property
    def evaluator(self) -> LoRAEvaluator:
        """The evaluator, with the suites of the settings or of the bot's language."""
        from .evaluate.evaluator import LoRAEvaluator
        from .evaluate.judge import judge_of
        from .evaluate.past import known_answers

        chosen = self.settings.evaluate
        update: dict[str, Any] = {
            "adapter_dir": str(self.adapter_dir),
            "suites": chosen.suites or SUITES[self.settings.language],
        }
        if "max_new_tokens" not in chosen.model_fields_set:
            update["max_new_tokens"] = self.settings.base.max_new_tokens  # judged as it will answer
        return LoRAEvaluator(
            self.settings.base.model,
            chosen.model_copy(update=update),
            cache=self.folder / "bases",
            system_prompt=self.settings.base.system_prompt,
            bot=self.bot,
            judge=judge_of(chosen),
            recall=lambda: known_answers(self.store.reports, self.bot),
        )

    @cached_property
    def deployer(self) -> LoRADeploymentManager:
        """The deployment manager of this home."""
        from .deploy.manager import LoRADeploymentManager

        return LoRADeploymentManager(
            str(self.adapter_dir),
            str(self.folder / "production" / self.bot),
            str(self.folder / "backups" / self.bot),
            store=self.store,
            artifacts=self.artifacts,
            bot=self.bot,
            config=self.settings.deploy,
        )

    @cached_property
    def scheduler(self) -> LoRAScheduler:
        """The scheduler; its state lives in the store."""
        from .schedule.arrivals import StoreArrivals
        from .schedule.scheduler import LoRAScheduler

        return LoRAScheduler(
            self.settings.schedule,
            state=self.store.state,
            key=f"scheduler:{self.bot}",
            arrivals=StoreArrivals(self.store, self.bot, self.secret),
            inbox=self.inbox,
            last_turn=lambda: last_turn(self.store.state, self.bot),
            turning=self.turn_lock.held,
        )

    @cached_property
    def loop(self) -> Loop:
        """The loop over these parts."""
        parts = Parts(
            data=self.data,
            trainer=self.trainer,
            evaluator=self.evaluator,
            deployer=self.deployer,
            decide=self.decide,
            base_id=lambda: self.base.id,
            template=lambda: self.template,
            serving=self.serving,
            max_length=self.settings.train.max_length,
            config_digest=self.settings.train.digest(),
            turning=self.turn_lock.held,
            name_adapter=lambda name, digest: self.artifacts.alias(self.adapter_dir, name, digest),
        )
        return Loop(parts, self.store, self.artifacts, bot=self.bot)

    def decide(self, report: Report, *, actor: str, now: datetime) -> Decision:
        """What the gate says about a report, at the error that this bot's pace of turns allows; nothing is kept."""
        from .evaluate.gate import decide
        from .evaluate.past import turns_a_year

        pace = turns_a_year(self.store.decisions, self.bot, now)
        return decide(report, self.settings.gate, actor=actor, now=now, turns_a_year=pace)

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

    def speaker(self, subject: str = "live") -> Speaker:
        """Load a model that answers: ``"live"``, ``"base"``, or an adapter's name or id.

        Raises:
            UnknownThing: no such adapter, or ``"live"`` was asked for and nothing was ever released.
        """
        from .lm.decode import Decoding
        from .lm.speaker import Speaker

        serving: dict[str, Any] = {
            "system_prompt": self.settings.base.system_prompt,
            "decoding": self.settings.base.decoding(),
        }
        folder = None
        if subject == "live":
            release = self.store.releases.live(self.bot)
            if release is not None:
                serving |= dict(release.serving)
                adapter = self.loop.live_adapter()
                folder = Path(adapter.path) if adapter is not None else None
        elif subject != "base":
            folder = Path(self.loop.find_adapter(subject).path)
        prompt, decoding = str(serving["system_prompt"]), Decoding(**serving["decoding"])
        return Speaker(self.base.folder, folder, system_prompt=prompt, decoding=decoding)


def init_home(folder: str | Path | None = None, **overrides: Any) -> Path:
    """Make a home: its folder and a commented settings file.

    Args:
        overrides: settings that differ from the defaults, by dotted name with ``__`` for the dot
            (``base__model="smollm2"``).

    Raises:
        UsageError: there is a home already.
    """
    home = home_folder(folder)
    if (home / SETTINGS_FILE).exists():
        raise UsageError(f"{home} is a home already", hint=f"edit {home / SETTINGS_FILE}, or use another --home")
    text = default_toml(overrides)
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_durably(home / SETTINGS_FILE, text)
    except OSError as error:
        raise StoreError(f"cannot make {home}: {error.strerror}", hint="choose a writable --home") from error
    load_settings(home)
    return home


def open_home(folder: str | Path | None = None, *, bot: str | None = None, settings: Settings | None = None) -> Home:
    """Open a home made by ``init_home``.

    Raises:
        UnknownThing: there is no home. SettingsError: its settings are wrong. StoreError: its database is.
    """
    home = home_folder(folder)
    if settings is None:
        if not (home / SETTINGS_FILE).is_file():
            raise UnknownThing(f"there is no home at {home}", hint="make one: loraloop init")
        settings = load_settings(home)
    opened = Home(home, settings, bot)
    try:
        opened.recovered = tuple(opened.deployer.recover())
        opened.artifacts.sweep_staging()
    except BaseException:
        opened.close()
        raise
    return opened
