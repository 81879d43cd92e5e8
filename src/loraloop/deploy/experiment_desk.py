"""Where whoever serves users asks which release a user gets, says what came of it, and hears what to do next.

    assignment = desk.assign(user)                      # before the engine is called; written down first
    ... answer with assignment.release_id ...
    desk.answered(assignment, user, latency_s=..., length_chars=...)
    desk.judged(assignment.experiment_id, assignment.arm, user, approved=True)      # whenever feedback comes
    action = desk.check()                               # every few seconds: what changed, if anything

Every method may be called from any thread; ``assign`` writes (one commit) only for a user it has not met, ``check``
always reads and may write. What was observed is kept in memory until the next ``check`` or ``close``; a crash loses
that much, of both arms alike. Call ``check`` at once after a swap of the live release too.

A user without a pseudonym gets the live release: nothing could be learnt from the answer, so nobody takes the risk.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from threading import Lock, RLock

from ..errors import ArtifactError, StaleRelease, StoreError, UnknownThing
from ..experiments import Action, Arm, Assignment, Experiment, Observation
from ..ports import Store
from .assignment import arm_of
from .autorollback import WINDOW, Floors, floor_broken, read_rollbacks
from .experiment import Experiments
from .verdicts import may_step

log = logging.getLogger(__name__)

MOST_REMEMBERED = 100_000
"""Users whose assignment is known to be written down, kept in memory; one forgotten is looked up again."""
MOST_WAITING = 200_000
"""Observations that wait for a database that is away; what comes after them is not counted."""
NOTHING = Action("none")


class _Recent:
    """The latest answers of one release."""

    def __init__(self) -> None:
        self.errors_in_a_row = 0
        self.answers: deque[tuple[str | None, bool]] = deque(maxlen=WINDOW)

    def add(self, user: str | None, failed: bool, guard_hit: bool) -> None:
        self.errors_in_a_row = self.errors_in_a_row + 1 if failed else 0
        if not failed:
            self.answers.append((user, guard_hit))

    def floors(self) -> Floors:
        """People who met a guard, all without a name as one; where nobody has a name, answers are all there is."""
        hits = [user for user, hit in self.answers if hit]
        people = len(set(hits)) if any(user for user, _ in self.answers) else len(hits)
        return Floors(self.errors_in_a_row, people)


class ExperimentDesk:
    """The one place that serving asks about experiments.

    Args:
        experiments: of the bot. store: where they are kept.
        bot: whose users these are.
    """

    def __init__(self, experiments: Experiments, store: Store, bot: str) -> None:
        self._experiments, self._store, self._bot = experiments, store, bot
        self._lock = RLock()  # held for moments, never while the database works: every request passes here
        self._checking = Lock()
        self._written: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._waiting: list[Observation] = []
        self._recent: dict[str | None, _Recent] = {}
        self._frozen_at: datetime | None = None
        self._look()

    @property
    def frozen_at(self) -> datetime | None:
        """Since when nothing automatic happens any more, as of the last check; ``None`` while it may."""
        return self._frozen_at

    def assign(self, user: str | None) -> Assignment:
        """Return which release answers a user, after it was written down.

        A user whose assignment cannot be written (the database is away) gets the live release and is not counted; so
        does everyone as soon as the candidate broke a hard floor.

        Args:
            user: a pseudonym; ``None`` where nobody said who it is.
        """
        with self._lock:
            experiment, usual = self._running, Assignment(self._live_id)
            if experiment is None or user is None or experiment.control_id != self._live_id:
                return usual  # where another release went live, the next check ends the experiment
            if self._broken(experiment.candidate_id):
                return usual
        shadow = experiment.mode == "shadow"
        arm: Arm | None = "control" if shadow else arm_of(experiment.salt, user, experiment.share)
        if arm is None or not self._write_down(experiment, user, arm):
            return usual
        chosen = experiment.candidate_id if arm == "candidate" else experiment.control_id
        return Assignment(chosen, experiment.id, arm, experiment.candidate_id if shadow else None)

    def answered(
        self,
        assignment: Assignment,
        user: str | None,
        *,
        failed: bool = False,
        guard_hit: bool = False,
        latency_s: float | None = None,
        length_chars: int | None = None,
        mirrored: bool = False,
    ) -> None:
        """Note how an answer went; one that failed has neither time nor length.

        Args:
            failed: the engine could not answer. A client that left is no failure.
            guard_hit: a guard stopped the answer (a hit on what the user wrote says nothing of the release).
            mirrored: this is the unseen answer of a shadow's candidate.
        """
        release_id = assignment.mirror_id if mirrored else assignment.release_id
        with self._lock:
            self._recent.setdefault(release_id, _Recent()).add(user, failed, guard_hit)
            if user is None or not assignment.arm or not self._is_running(assignment.experiment_id):
                return
            values = {"errors": float(failed), "guard_hits": float(guard_hit), "regenerated": 0.0}
            if not failed:
                values |= {} if latency_s is None else {"latency_s": latency_s}
                values |= {} if length_chars is None else {"length_chars": float(length_chars)}
            arm: Arm = "candidate" if mirrored or assignment.arm == "candidate" else "control"
            self._waiting += [Observation(user, arm, metric, value) for metric, value in values.items()]

    def judged(self, experiment_id: str, arm: str, user: str | None, *, approved: bool) -> None:
        """Note what a user said of an answer (a thumb, a score, a correction); only the first word of a user decides.

        Args:
            experiment_id, arm: of the answer's assignment; feedback on an answer of another time is not counted.
        """
        self._heard(experiment_id, arm, user, {"approval": (float(approved), 1)})

    def regenerated(self, experiment_id: str, arm: str, user: str | None) -> None:
        """Note that a user asked for another answer."""
        self._heard(experiment_id, arm, user, {"regenerated": (1.0, 0)})

    def check(self) -> Action:
        """Write down what was observed, look at where everything stands, and act on it.

        Raises:
            StoreError: the database is away; nothing is lost, the next check tries again.
            DeployError: what was before cannot serve.
        """
        with self._checking:
            self._flush()
            self._look()
            experiment = self._running
            try:
                action = self._guard_live()
                if action.kind == "none" and experiment is not None:
                    action = self._move(experiment)
            except StaleRelease as error:  # a person or another process was faster; the next check sees what they did
                log.info("%s: %s", self._bot, error)
                action = NOTHING
            if action.kind != "none":
                log.info("%s: %s (%s)", self._bot, action.kind, action.reason)
                self._look()
            return action

    def refuse(self, experiment_id: str, reason: str) -> None:
        """End the running experiment, whose candidate cannot be served; nobody got it."""
        with self._checking:
            running = self._store.experiments.running(self._bot)
            if running is not None and running.id == experiment_id:
                self._experiments.end(running, "stopped", f"the candidate cannot be served: {reason}", actor="gateway")
            self._look()

    def close(self) -> None:
        """Write down what was observed."""
        with self._checking:
            self._flush()

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _move(self, experiment: Experiment) -> Action:
        rooms = self._experiments
        if experiment.control_id != self._live_id:
            reason = "another release went live, so what it compared with serves nobody"
            return Action("end", reason, rooms.end(experiment, "stopped", reason))
        tally = self._store.experiments.tally(experiment.id, experiment.primary)
        verdict = rooms.verdict(experiment, tally)
        broken = self._broken(experiment.candidate_id)
        if broken or verdict.verdict == "roll back":
            reason = broken or verdict.reason
            ended = rooms.roll_back(experiment, reason, verdict)
            return Action("freeze" if ended.status == "frozen" else "roll back", reason, ended, verdict=verdict)
        if verdict.verdict == "promote":
            try:
                release = rooms.promote(experiment, verdict, actor="experiment")
            except (ArtifactError, UnknownThing) as error:  # another try would only repeat it
                reason = f"the candidate cannot go live: {error}"
                return Action("end", reason, rooms.end(experiment, "stopped", reason), verdict=verdict)
            return Action("promote", verdict.reason, experiment, release, verdict)
        if verdict.verdict == "cannot decide":
            ended = rooms.end(experiment, "undecided", verdict.reason)
            return Action("end", verdict.reason, ended, verdict=verdict)
        if may_step(experiment, tally, rooms.config, rooms.now()):
            taken = rooms.step(experiment)
            return Action("step", f"{taken.share:.0%} of users get the candidate", taken, verdict=verdict)
        return replace(NOTHING, experiment=experiment, verdict=verdict)

    def _guard_live(self) -> Action:
        """A release on trial goes back when it breaks a floor; a confirmed one has shown that it is not the cause."""
        live = self._store.releases.live(self._bot)
        broken = self._broken(live.id if live else None)
        if live is None or live.status != "on_trial" or not broken:
            return NOTHING
        release = self._experiments.roll_back_live(broken)
        with self._lock:  # only now: where it could not go back, the next check tries again
            self._recent.pop(live.id, None)
        return Action("roll back" if release else "freeze", broken, release=release)

    def _look(self) -> None:
        """See what is running and live now; another process may have changed it."""
        live = self._store.releases.live(self._bot)
        running = self._store.experiments.running(self._bot)
        self._frozen_at = read_rollbacks(self._store.state, self._bot).frozen_at
        with self._lock:
            self._live_id, self._running = live.id if live else None, running
            current = {self._live_id, running.candidate_id if running else None}
            self._recent = {one: recent for one, recent in self._recent.items() if one in current}

    def _broken(self, release_id: str | None) -> str:
        with self._lock:
            recent = self._recent.get(release_id)
            return floor_broken(recent.floors(), self._experiments.config) if recent else ""

    def _is_running(self, experiment_id: str) -> bool:
        return self._running is not None and self._running.id == experiment_id

    def _heard(self, experiment_id: str, arm: str, user: str | None, values: Mapping[str, tuple[float, int]]) -> None:
        with self._lock:
            if user is not None and arm in ("control", "candidate") and self._is_running(experiment_id):
                side: Arm = "candidate" if arm == "candidate" else "control"
                self._waiting += [Observation(user, side, name, *value) for name, value in values.items()]

    def _write_down(self, experiment: Experiment, user: str, arm: Arm) -> bool:
        key = (experiment.id, user)
        with self._lock:
            if key in self._written:
                self._written.move_to_end(key)
                return True
        try:
            self._store.experiments.assign(experiment.id, user, arm, self._experiments.now())
        except StoreError as error:
            log.warning("%s: an assignment could not be written down, the live release answers: %s", self._bot, error)
            return False
        with self._lock:
            self._written[key] = None
            if len(self._written) > MOST_REMEMBERED:
                self._written.popitem(last=False)
        return True

    def _flush(self) -> None:
        with self._lock:
            experiment, seen, self._waiting = self._running, self._waiting, []
        if not seen or experiment is None:
            return
        try:
            self._store.experiments.observe(experiment.id, seen)
        except StoreError:
            with self._lock:
                self._waiting = [*seen, *self._waiting][:MOST_WAITING]
            raise
