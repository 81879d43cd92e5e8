"""Experiments: begun with what the gate promoted, moved step by step, and ended by a verdict, a floor or a person.

The live pointer moves only when a candidate is promoted; to roll a candidate back is to stop giving it to users.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

from ..errors import DeployError, UnknownThing, UsageError
from ..experiments import Experiment, ExperimentStatus, ExperimentVerdict, Mode, Tally
from ..ports import Clock, Store
from ..types import Adapter, Decision, Release
from .autorollback import frozen, let_return, may_roll_back, read_rollbacks, rolled_back, write_rollbacks
from .config import ExperimentConfig
from .history import identity, next_release
from .manager import LoRADeploymentManager
from .verdicts import judge

log = logging.getLogger(__name__)

PRIMARIES = ("approval", "errors", "guard_hits")
"""Metrics whose first value of a user is final, so that an experiment may be decided by them."""


class Experiments:
    """The experiments of one bot.

    Args:
        store: where they are kept. deployer: moves what is live.
        bot: whose. config: their settings.
        clock: tells the time; ``None`` for the system's.
    """

    def __init__(
        self,
        store: Store,
        deployer: LoRADeploymentManager,
        *,
        bot: str = "default",
        config: ExperimentConfig | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config or ExperimentConfig()
        self._store, self._deployer, self._bot, self._clock = store, deployer, bot, clock

    def start(
        self,
        decision: Decision,
        adapter: Adapter,
        *,
        mode: Mode = "canary",
        primary: str = "approval",
        share: float = 0.5,
        serving: Mapping[str, Any] | None = None,
        actor: str = "operator",
        force_reason: str = "",
    ) -> Experiment:
        """Begin an experiment beside what is live.

        Args:
            decision: of the gate; must promote this adapter, unless ``force_reason`` says why a person forces it.
            share: of users that get the candidate, above 0 and at most 0.5; a canary has the steps of its settings.
            serving: everything else the candidate's answers depend on.

        Raises:
            DeployError: the adapter may not go before users. UsageError: an experiment runs already, or an option is
                wrong. TamperedArtifact: its files changed.
        """
        _checked(mode, primary, share)
        method = "force" if force_reason else "auto"
        self._deployer.cleared(decision, adapter, method)
        now, live = self.now(), self._store.releases.live(self._bot)
        if live is not None and live.adapter_id == adapter.id:
            raise UsageError(f"{adapter.name} is live already", hint="name another adapter: loraloop history")
        newest = next(iter(self._store.releases.history(self._bot, 1)), None)
        facts = {
            "adapter_id": adapter.id, "adapter_name": adapter.name, "base_id": adapter.base_id, "method": method,
            "actor": actor, "created_at": now, "status": "candidate", "decision_id": decision.id,
            "serving": dict(serving or {}),
        }  # fmt: skip
        candidate = next_release(newest, live, self._bot, facts)
        experiment = Experiment(
            id=identity("ex", candidate.id, now.isoformat()), bot=self._bot, mode=mode,
            control_id=live.id if live else None, candidate_id=candidate.id,
            steps=self.config.steps if mode == "canary" else (share,), primary=primary, salt=secrets.token_hex(16),
            actor=actor, started_at=now, stepped_at=now, reason=force_reason,
        )  # fmt: skip
        self._store.experiments.start(experiment, candidate)
        if force_reason:
            let_return(self._store.state, self._bot, adapter.digest)
        log.info("experiment %s (%s) of %s began, by %s", experiment.id, mode, candidate.id, actor)
        return experiment

    def verdict(self, experiment: Experiment, tally: Tally | None = None) -> ExperimentVerdict:
        """Return what an experiment says now; of one that ended, what it ended with.

        Args:
            tally: of its users; ``None`` reads it.
        """
        if experiment.verdict is not None:
            return experiment.verdict
        tally = tally or self._store.experiments.tally(experiment.id, experiment.primary)
        return judge(experiment, tally, self.config, self.now())

    def step(self, experiment: Experiment) -> Experiment:
        """Give the candidate the next share of users; those who have it keep it."""
        taken = replace(experiment, step=experiment.step + 1, stepped_at=self.now())
        return self._store.experiments.change(experiment, taken, "ExperimentStepped", {})

    def promote(
        self, experiment: Experiment, verdict: ExperimentVerdict, *, actor: str, force_reason: str = ""
    ) -> Release:
        """Make the candidate live for everyone, and end the experiment: both or neither.

        Raises:
            DeployError: the verdict is not promote and nobody forces it; or another release went live since the start.
            StaleRelease: the experiment is over. TamperedArtifact, UnknownThing: the files are not what they were.
        """
        if verdict.verdict != "promote" and not force_reason:
            said = f"experiment {experiment.id} says {verdict.verdict}: {verdict.reason}"
            raise DeployError(said, hint="wait, or force it: loraloop promote --force --reason WHY")
        self._refuse_other_control(experiment)
        candidate = self._candidate(experiment)
        said = force_reason or verdict.reason

        def end() -> None:  # of a promotion and a stop at the same moment only one gets through
            self._end(experiment, "promoted", said, verdict, actor=actor)

        return self._deployer.take_live(candidate, actor=actor, confirmed=not force_reason, ending=end)

    def roll_back(self, experiment: Experiment, reason: str, verdict: ExperimentVerdict | None) -> Experiment:
        """Take the candidate from its users; it may return only by a person. One time too many freezes all."""
        candidate, now = self._candidate(experiment), self.now()
        adapter = self._store.adapters.get(candidate.adapter_id or "")
        digest = adapter.digest if adapter else None
        known = read_rollbacks(self._store.state, self._bot)
        allowed = may_roll_back(known, self.config, now)
        remember = rolled_back if allowed else frozen
        with self._store.together():  # a crash must not leave an adapter that went back and may return by itself
            ended = self._end(experiment, "rolled back" if allowed else "frozen", reason, verdict, actor="experiment")
            write_rollbacks(self._store.state, self._bot, remember(known, digest, reason, now))
        if not allowed:
            self._announce_frozen(reason)
        return ended

    def roll_back_live(self, reason: str) -> Release | None:
        """Go back from a live release that is on trial; ``None`` where it was one time too many, and all is frozen.

        Raises:
            DeployError: what was before cannot serve.
        """
        live = self._store.releases.live(self._bot)
        if live is None:
            return None
        adapter, now = self._store.adapters.get(live.adapter_id or ""), self.now()
        known = read_rollbacks(self._store.state, self._bot)
        digest = adapter.digest if adapter else None
        if not may_roll_back(known, self.config, now):
            write_rollbacks(self._store.state, self._bot, frozen(known, digest, reason, now))
            self._announce_frozen(reason)
            return None

        def remember() -> None:
            write_rollbacks(self._store.state, self._bot, rolled_back(known, digest, reason, now))
            facts = {"release_id": live.id, "reason": reason}
            self._store.events.append(self._bot, "RolledBackAutomatically", "floors", facts)

        told = self._deployer.rollback_adapter(actor="automatic rollback", also=remember)
        if not told["success"]:
            raise DeployError(str(told["error"]), hint=str(told.get("hint", DeployError.hint)))
        return self._store.releases.get(told["release_id"])

    def end(
        self, experiment: Experiment, status: ExperimentStatus, reason: str, *, actor: str = "experiment"
    ) -> Experiment:
        """End an experiment without touching what is live; what it said last is kept."""
        return self._end(experiment, status, reason, self.verdict(experiment), actor=actor)

    def now(self) -> datetime:
        """The time now."""
        return self._clock.now() if self._clock else datetime.now(UTC)

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _end(
        self, experiment: Experiment, status: ExperimentStatus, reason: str, verdict: ExperimentVerdict | None,
        *, actor: str,
    ) -> Experiment:  # fmt: skip
        ended = replace(experiment, status=status, reason=reason, ended_at=self.now(), verdict=verdict)
        facts = {"actor": actor, "reason": reason, "candidate_id": experiment.candidate_id}
        done = self._store.experiments.change(experiment, ended, "ExperimentEnded", facts)
        if status != "promoted":
            self._store.releases.set_status(experiment.candidate_id, "withdrawn")
        log.info("experiment %s ended: %s (%s)", experiment.id, status, reason)
        return done

    def _candidate(self, experiment: Experiment) -> Release:
        found = self._store.releases.get(experiment.candidate_id)
        if found is None:
            raise UnknownThing(f"release {experiment.candidate_id} of {experiment.id} is not stored")
        return found

    def _refuse_other_control(self, experiment: Experiment) -> None:
        live = self._store.releases.live(self._bot)
        if (live.id if live else None) != experiment.control_id:
            raise DeployError(
                f"since {experiment.id} began, another release went live: what it compared with serves nobody",
                hint="loraloop experiment stop, and start another",
            )

    def _announce_frozen(self, reason: str) -> None:
        self._store.events.append(self._bot, "RollbacksFrozen", "experiment", {"reason": reason})
        log.warning("%s: too many automatic rollbacks in a day (%s); nothing automatic happens until a person deploys "
                    "with --force", self._bot, reason)  # fmt: skip


def _checked(mode: str, primary: str, share: float) -> None:
    if mode not in get_args(Mode):
        raise UsageError(f"no mode {mode!r}", hint=f"one of {', '.join(get_args(Mode))}")
    if primary not in PRIMARIES:
        raise UsageError(f"no primary metric {primary!r}", hint=f"one of {', '.join(PRIMARIES)}")
    if not 0 < share <= 0.5:
        raise UsageError(f"share {share:g} is not above 0 and at most 0.5", hint="a half has the most to say")
