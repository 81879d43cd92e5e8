"""Parts of a loop that compute nothing: real files and values in milliseconds, for tests of what is round them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..controller import Parts
from ..ports import Store
from ..store.artifacts import LocalArtifacts
from ..types import CONSENTS_TO_LEARN, Adapter, Dataset, DatasetRow, Decision, Release, Report, Sample, SubjectScore
from .adapter_files import plain_adapter
from .clock import MovedClock

BASE_ID = "base-tiny"


@dataclass
class CannedParts:
    """Answers for every part of a loop.

    Attributes:
        store, artifacts: where the values are kept; ``bot``: whose they are.
        folder: in which adapters are made.
        clock: moved on by a second at each step.
        verdict: of the gate.
        before: called with the name of each step before it is done; may raise, and is how a test looks in between.
        turning: see ``controller.Parts``.
        done: the steps done so far.
    """

    store: Store
    artifacts: LocalArtifacts
    folder: Path
    clock: MovedClock
    bot: str = "default"
    verdict: Any = "promote"
    before: Callable[[str], None] = lambda step: None
    turning: Callable[[], AbstractContextManager[Any]] = nullcontext
    done: tuple[str, ...] = ()

    def parts(self) -> Parts:
        """The parts for a ``Loop``."""
        return Parts(
            data=self, trainer=self, evaluator=self, deployer=self, decide=self.decide,
            base_id=lambda: BASE_ID, template=lambda: None, serving=lambda: {"base_id": BASE_ID},
            max_length=8, config_digest="settings", turning=self.turning,
            name_adapter=lambda name, digest: self.artifacts.alias(self.folder, name, digest),
            other_base=lambda dataset: None,
        )  # fmt: skip

    def build_dataset(self) -> Dataset:
        """A dataset of the second message of each consented conversation; another one whenever their number changes."""
        self._step("collect")
        seen = self.store.arrivals.last_feedback()
        rows = tuple(
            DatasetRow(one.id, 1, "train", f"{number:064x}")
            for number, one in enumerate(self.store.conversations.iterate(self.bot))
            if one.consent in CONSENTS_TO_LEARN
        )
        count = self.store.conversations.count(self.bot)
        made = Dataset(f"ds-{count - len(rows):04x}{count:012x}", self.bot, rows, self.clock.now(), {})
        return self.store.datasets.put(made, seen)

    def samples(self, dataset: Dataset, template: Any, split: str, max_length: int) -> list[Sample]:
        """None."""
        return []

    def repairs(self, dataset: Dataset) -> list[Any]:
        """None."""
        return []

    def train_lora_adapter(self, adapter_name: str, training_data: Any, **facts: Any) -> Any:
        """An adapter of one layer, another one for each dataset; see ``controller.TrainPart``."""
        self._step("train")
        seed = int(str(facts["dataset_id"]).removeprefix("ds-"), 16)
        digest = f"{seed:064x}"
        self.artifacts.publish(plain_adapter(self.artifacts.staging() / "made", seed), digest)
        made = Adapter(f"ad-{digest[-16:]}", self.bot, adapter_name, digest, BASE_ID, "", self.clock.now())
        return _Trained(replace(made, dataset_id=facts["dataset_id"], config_digest="settings"))

    def evaluate(self, adapter: Adapter, **facts: Any) -> Report:
        """A report of one good score; see ``controller.EvaluatePart``."""
        self._step("evaluate")
        score = SubjectScore("candidate", adapter.id, 0.9, 0.9, 0.9, 9, 10, 0.1, 0.2)
        live = facts["live"].id if facts["live"] else None
        return Report(f"rp-{len(self.done)}{adapter.id}", self.bot, adapter.id, self.clock.now(), (score,),
                      baseline_id=live, dataset_id=facts["dataset_id"])  # fmt: skip

    def decide(self, report: Report, *, actor: str, now: Any) -> Decision:
        """The verdict."""
        self._step("gate")
        return Decision(f"dc-{report.id}", self.bot, report.adapter_id, self.verdict, now, actor, report_id=report.id)

    def release(
        self, decision: Decision, adapter: Adapter, *, serving: Mapping[str, Any] | None, actor: str
    ) -> Release:
        """The next release, live in the store."""
        self._step("deploy")
        live = self.store.releases.live(self.bot)
        version = live.version if live else 0
        new = Release(f"rl-{self.bot}-{version + 1}", self.bot, version + 1, adapter.id, adapter.name, BASE_ID, "auto",
                      actor, self.clock.now(), decision_id=decision.id, serving=dict(serving or {}))  # fmt: skip
        return self.store.releases.publish(new, version)

    def _step(self, name: str) -> None:
        self.clock.move(seconds=1)
        self.before(name)
        self.done += (name,)


@dataclass(frozen=True)
class _Trained:
    adapter: Adapter
