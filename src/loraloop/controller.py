"""The loop: collect, train, evaluate, gate, deploy. The order and nothing else; every step is a component's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from .errors import DataError, UnknownThing, WrongBase
from .meanwhile import drop_unused, refuse_forgotten, refuse_withdrawn
from .ports import ArtifactStore, Clock, Progress, Store
from .store.location import checked_name
from .turns import remember_turn
from .types import Adapter, Dataset, Decision, Record, Release, Repair, Report, Sample, Split

log = logging.getLogger(__name__)


class DataPart(Protocol):
    """What the loop asks of the data component."""

    def build_dataset(self) -> Dataset: ...

    def samples(self, dataset: Dataset, template: Any, split: Split, max_length: int) -> Sequence[Sample]: ...

    def repairs(self, dataset: Dataset) -> list[Repair]: ...


class TrainPart(Protocol):
    """What the loop asks of the trainer."""

    def train_lora_adapter(
        self,
        adapter_name: str,
        training_data: Any,
        *,
        validation_data: Any,
        dataset_id: str | None,
        progress: Progress | None,
    ) -> Any: ...


class EvaluatePart(Protocol):
    """What the loop asks of the evaluator."""

    def evaluate(
        self,
        adapter: Adapter,
        *,
        live: Adapter | None,
        heldout: Sequence[Sample],
        repairs: Sequence[Repair],
        dataset_id: str | None,
        other_base: Any,
        progress: Progress | None,
    ) -> Report: ...


class DeployPart(Protocol):
    """What the loop asks of the deployment manager."""

    def release(
        self, decision: Decision, adapter: Adapter, *, serving: Mapping[str, Any] | None, actor: str
    ) -> Release: ...


@dataclass(frozen=True)
class Parts:
    """The components of one bot's loop, and the few facts they must agree on.

    Attributes:
        decide: the gate, ``(report, actor, now) -> decision``.
        base_id: id of the base as it is now.
        template: makes the base's chat template (loads its tokenizer).
        serving: what a release must remember beside the adapter.
        max_length: longest sample, in tokens.
        config_digest: of the training settings.
        turning: held while the loop is turned, so that nothing else turns it meanwhile.
        name_adapter: ``(name, digest)``, gives a stored adapter a further name.
        other_base: ``(dataset)``, what a live adapter of another base is judged with; ``None`` where that base is gone.
    """

    data: DataPart
    trainer: TrainPart
    evaluator: EvaluatePart
    deployer: DeployPart
    decide: Callable[..., Decision]
    base_id: Callable[[], str]
    template: Callable[[], Any]
    serving: Callable[[], Mapping[str, Any]]
    max_length: int
    config_digest: str
    turning: Callable[[], AbstractContextManager[Any]]
    name_adapter: Callable[[str, str], Any]
    other_base: Callable[[Dataset | None], Any]


@dataclass(frozen=True, slots=True)
class TurnResult(Record):
    """The values one turn made; ``release`` is ``None`` when the gate did not promote."""

    dataset: Dataset
    adapter: Adapter
    report: Report
    decision: Decision
    release: Release | None


class Loop:
    """Turns conversations into a better release, or says why not.

    Args:
        parts: the components.
        store: where values are kept.
        artifacts: where adapter files are kept.
        bot: whose loop.
        clock: tells the time; ``None`` for the system's.
    """

    def __init__(
        self, parts: Parts, store: Store, artifacts: ArtifactStore, *, bot: str = "default", clock: Clock | None = None
    ) -> None:
        self._parts, self._store, self._artifacts = parts, store, artifacts
        self._bot, self._clock = bot, clock

    def turn(self, name: str | None = None, *, actor: str = "operator", progress: Progress | None = None) -> TurnResult:
        """Run the loop once.

        Args:
            name: of the new adapter; ``None`` counts on (``turn-001``, ``turn-002``, ...).
            actor: who asked for it.

        Raises:
            StoreBusy: this bot's loop is being turned already.
            LoraloopError: a step could not answer. What the steps before it made is kept and used by the next turn.
        """
        if name is not None:
            checked_name(name)  # before anything is made
        with self._parts.turning():
            rows = self._store.conversations.count(self._bot)
            dataset = self.collect()
            adapter = self.train(dataset, name, progress=progress)
            report = self.evaluate(adapter, progress=progress)
            decision = self.gate(report, actor=actor)
            release = self.deploy(decision, adapter, actor=actor)
            remember_turn(self._store, self._bot, rows, self._now())
        return TurnResult(dataset, adapter, report, decision, release)

    def collect(self) -> Dataset:
        """Make the dataset of everything that may be learnt now."""
        return self._parts.data.build_dataset()

    def train(self, dataset: Dataset, name: str | None = None, *, progress: Progress | None = None) -> Adapter:
        """Train on a dataset; an adapter of the same rows, base and settings is not trained twice.

        Raises:
            StoreBusy: this bot's loop is being turned already.
            DataError: somebody in the dataset withdrew since it was made.
        """
        with self._parts.turning():
            return self._train(dataset, name, progress)

    def _train(self, dataset: Dataset, name: str | None, progress: Progress | None) -> Adapter:
        parts = self._parts
        name = self._next_name() if name is None else checked_name(name)
        self._store.datasets.check_consent(dataset)
        known = self._trained_before(dataset)
        if known is not None:
            log.info("dataset %s with these settings already taught %s; not trained again", dataset.id, known.id)
            parts.name_adapter(name, known.digest)
            return known
        template = parts.template()
        train, validation = (
            parts.data.samples(dataset, template, split, parts.max_length) for split in ("train", "validation")
        )
        result = parts.trainer.train_lora_adapter(
            name, train, validation_data=validation, dataset_id=dataset.id, progress=progress
        )
        adapter: Adapter = result.adapter
        try:
            with self._store.together():  # nobody can be forgotten, or withdraw, between the look and the adapter
                refuse_forgotten(self._store, dataset)
                refuse_withdrawn(self._store, dataset.id)
                stored = self._store.adapters.put(adapter)
        except DataError:
            drop_unused(self._store, self._artifacts, adapter.digest)
            raise
        return self._here(stored)

    def evaluate(self, adapter: Adapter, *, progress: Progress | None = None) -> Report:
        """Judge an adapter beside the live one and the base, on rows that taught neither of this dataset's adapters.

        Raises:
            WrongBase: the adapter was made for another base than the one in use.
            DataError: somebody was forgotten meanwhile.
        """
        base = self._parts.base_id()
        if adapter.base_id != base:
            raise WrongBase(f"adapter {adapter.name} ({adapter.id}) was made for {adapter.base_id}, the base is {base}")
        if (live := self.live_adapter()) is not None and live.id == adapter.id:
            return self._store.reports.put(self._nothing_new(adapter))
        dataset = self._store.datasets.get(adapter.dataset_id) if adapter.dataset_id else None
        other_base = self._parts.other_base(dataset) if live is not None and live.base_id != base else None
        live = live if live is not None and (live.base_id == base or other_base is not None) else None
        heldout: Sequence[Sample] = ()
        repairs = list[Repair]()
        if dataset is not None:
            repairs = self._parts.data.repairs(dataset)
            heldout = self._parts.data.samples(dataset, self._parts.template(), "gate", self._parts.max_length)
        report = self._parts.evaluator.evaluate(
            adapter, live=live, heldout=heldout, repairs=repairs, dataset_id=adapter.dataset_id,
            other_base=other_base, progress=progress,
        )  # fmt: skip
        with self._store.together():
            if dataset is not None:
                refuse_forgotten(self._store, dataset)
            return self._store.reports.put(report)

    def gate(self, report: Report, *, actor: str = "operator") -> Decision:
        """Decide on a report."""
        return self._store.decisions.put(self._parts.decide(report, actor=actor, now=self._now()))

    def deploy(self, decision: Decision, adapter: Adapter, *, actor: str = "operator") -> Release | None:
        """Release a promoted adapter; anything but an explicit promote leaves the live release alone.

        Raises:
            DataError: somebody whom it learnt from withdrew while it was judged.
        """
        if decision.verdict != "promote":
            return None
        refuse_withdrawn(self._store, adapter.dataset_id)
        return self._parts.deployer.release(decision, adapter, serving=self._parts.serving(), actor=actor)

    def live_adapter(self) -> Adapter | None:
        """The adapter that serves now, verified; ``None`` where the base alone does."""
        live = self._store.releases.live(self._bot)
        if live is None or live.adapter_id is None:
            return None
        adapter = self._store.adapters.get(live.adapter_id)
        if adapter is None:
            raise UnknownThing(f"release {live.id} names adapter {live.adapter_id}, which is not stored")
        return self._here(adapter)

    def find_adapter(self, name: str) -> Adapter:
        """Return the newest adapter of a name, or the one of an id, verified.

        Raises:
            UnknownThing: there is none. TamperedArtifact: its files changed.
        """
        for adapter in self._store.adapters.list(self._bot):
            if name in (adapter.id, adapter.name):
                return self._here(adapter)
        raise UnknownThing(f"no adapter {name!r} of bot {self._bot!r}", hint="list them: loraloop history")

    def _trained_before(self, dataset: Dataset) -> Adapter | None:
        base, digest = self._parts.base_id(), self._parts.config_digest
        for adapter in self._store.adapters.list(self._bot):
            if (adapter.dataset_id, adapter.base_id, adapter.config_digest) == (dataset.id, base, digest):
                return self._here(adapter) if adapter.digest in self._artifacts.digests() else None
        return None

    def _here(self, adapter: Adapter) -> Adapter:
        """The adapter with the path of its verified files on this machine."""
        return replace(adapter, path=str(self._artifacts.verified(adapter.digest)))

    def _next_name(self) -> str:
        taken = {adapter.name for adapter in self._store.adapters.list(self._bot)}
        number = len(taken) + 1
        while f"turn-{number:03d}" in taken:
            number += 1
        return f"turn-{number:03d}"

    def _nothing_new(self, adapter: Adapter) -> Report:
        return Report(
            id=f"rp-{adapter.id.removeprefix('ad-')}",
            bot=self._bot,
            adapter_id=adapter.id,
            created_at=self._now(),
            scores=(),
            baseline_id=adapter.id,
            dataset_id=adapter.dataset_id,
            valid=False,
            reason="this adapter is the live one already; there is nothing new to judge",
        )

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
