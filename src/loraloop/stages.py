"""A turn as a durable job: the loop's steps as stages, each done once however often the job is tried.

A stage that was recorded is read, not done. One that was done and not recorded, because its process died in between,
is found by what it made. So the only work that is ever done twice is what was under way, and of a training that is
what came after its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from .controller import Loop, TurnResult
from .errors import DataError, StaleRelease, UnknownThing, UsageError
from .jobs import Job, stages_before
from .ports import Progress, Store
from .turns import remember_turn
from .types import Adapter, Dataset, Decision, Release, Report

Record = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
_LATE_RELEASES, _LATE_REPORTS = 50, 20
"""What an earlier try of a job made is among so many of the newest; a report has megabytes, and a year a thousand."""


@dataclass
class Stages:
    """The stages of one job.

    Attributes:
        loop: whose steps these are. store: where what they made is kept.
        job: as it stood when this try began.
        record: writes down what a stage gave; see ``job_store.LeaseStore.record``.
        enter: told the name of a stage before it is done; raises where the job must not go on.
        undo: forgets what a stage and all after it gave; see ``job_store.LeaseStore.undo``.
        rows: conversations there were when the dataset was made.
    """

    loop: Loop
    store: Store
    job: Job
    record: Record
    enter: Callable[[str], None] = lambda stage: None
    undo: Callable[[str], object] = lambda stage: None
    rows: int = 0

    def run(self, progress: Progress | None = None) -> TurnResult:
        """Do what is left of the turn.

        Raises:
            LoraloopError: a stage could not answer; those before it are recorded.
        """
        dataset = self.collect()
        adapter = self.train(dataset, progress)
        report = self.evaluate(adapter, progress)
        decision = self.gate(report)
        release = self.deploy(decision, adapter, report)
        return TurnResult(dataset, adapter, report, decision, release)

    def collect(self) -> Dataset:
        """The dataset; one that somebody withdrew from since is made anew, and nothing that learnt from it is released.

        Raises:
            UsageError: the job was given such a dataset.
        """
        self.rows = self.store.conversations.count(self.job.bot)
        known: Dataset | None = self._known("collect", "dataset_id", self.store.datasets.get)
        if known is not None and self._may_be_learnt(known):
            self.rows = int(self.job.stages["collect"].get("rows", self.rows))
            return known
        self.enter("collect")
        dataset = self.loop.collect()
        self.record("collect", {"dataset_id": dataset.id, "rows": self.rows})
        return dataset

    def train(self, dataset: Dataset, progress: Progress | None = None) -> Adapter:
        """The adapter; one of the same rows, base and settings is not trained again."""
        if "train" in self.job.stages:
            return self.loop.find_adapter(self.job.stages["train"]["adapter_id"])
        self.enter("train")
        adapter = self.loop.train(dataset, self.job.name or None, progress=progress)
        self.record("train", {"adapter_id": adapter.id, "name": adapter.name})
        return adapter

    def evaluate(self, adapter: Adapter, progress: Progress | None = None) -> Report:
        """The report; one that this job made and could not record any more is taken.

        Where something else went live since an earlier try judged the adapter, it is judged again, beside that.
        """
        known: Report | None = self._known("evaluate", "report_id", self.store.reports.get)
        if known is not None:
            if self._is_out() or self._is_beside_live(known, adapter):
                return known
            self._undo("evaluate")
        self.enter("evaluate")
        late = self.store.reports.list(self.job.bot, _LATE_REPORTS) if self.job.fence > 1 else ()
        mine = (one for one in late if one.adapter_id == adapter.id and one.created_at >= self.job.created_at)
        report = next((one for one in mine if self._is_beside_live(one, adapter)), None)
        report = report or self.loop.evaluate(adapter, progress=progress)
        self.record("evaluate", {"report_id": report.id})
        return report

    def gate(self, report: Report) -> Decision:
        """The decision."""
        known: Decision | None = self._known("gate", "decision_id", self.store.decisions.get)
        if known is not None:
            return known
        self.enter("gate")
        made = (one for one in self.store.decisions.list(self.job.bot, _LATE_REPORTS) if one.report_id == report.id)
        decision = next((one for one in made if one.actor == self.job.actor), None)
        decision = decision or self.loop.gate(report, actor=self.job.actor)
        self.record("gate", {"decision_id": decision.id, "verdict": decision.verdict})
        return decision

    def deploy(self, decision: Decision, adapter: Adapter, report: Report) -> Release | None:
        """The release, where the gate promoted; and the turn is remembered for the schedule.

        Raises:
            StaleRelease: what is live now is not what the adapter was judged beside.
        """
        if "deploy" in self.job.stages:
            found = self.job.stages["deploy"]["release_id"]
            return self.store.releases.get(found) if found else None
        self.enter("deploy")
        release = self._released(decision.id)
        if release is None and decision.verdict == "promote":
            if not self._is_beside_live(report, adapter):
                judged = report.baseline_id or "the base"
                raise StaleRelease(f"something went live since {adapter.id} was judged beside {judged}")
            release = self.loop.deploy(decision, adapter, actor=self.job.actor)
        if not self._is_given():  # a dataset of old rows says nothing of those that came since
            remember_turn(self.store, self.job.bot, self.rows, datetime.now(UTC))
        self.record("deploy", {"release_id": release.id if release else None})
        return release

    def _may_be_learnt(self, dataset: Dataset) -> bool:
        """Whether nobody withdrew from a recorded dataset; what is deployed already stays as it is."""
        if self._is_out():
            return True
        try:
            self.store.datasets.check_consent(dataset)
        except DataError as error:
            if self._is_given():
                hint = "ask for a turn over everything that may be learnt, without naming a dataset"
                raise UsageError(f"dataset {dataset.id}: {error}", hint=hint) from error
            self._undo("collect")
            return False
        return True

    def _is_given(self) -> bool:
        """Whether the job's dataset was named by whoever asked for it; what a job collects is recorded with a count."""
        return "rows" not in self.job.stages.get("collect", {"rows": 0})

    def _is_out(self) -> bool:
        """Whether an earlier try deployed, recorded or not."""
        decided = self.job.stages.get("gate")
        return "deploy" in self.job.stages or (decided is not None and bool(self._released(decided["decision_id"])))

    def _released(self, decision_id: str) -> Release | None:
        """The release that a decision led to."""
        made = self.store.releases.history(self.job.bot, _LATE_RELEASES)
        return next((one for one in made if one.decision_id == decision_id), None)

    def _is_beside_live(self, report: Report, adapter: Adapter) -> bool:
        """Whether what an adapter was judged beside is what is live now."""
        live = self.loop.live_adapter()
        if live is None or live.id == report.baseline_id:
            return True
        return not report.baseline_id and live.base_id != adapter.base_id

    def _undo(self, stage: str) -> None:
        self.undo(stage)
        self.job = replace(self.job, stages=stages_before(self.job, stage))

    def _known(self, stage: str, key: str, get: Callable[[str], Any]) -> Any:
        facts = self.job.stages.get(stage)
        if facts is None:
            return None
        found = get(facts[key])
        if found is None:
            raise UnknownThing(f"job {self.job.id} made {facts[key]}, which is not stored any more")
        return found
