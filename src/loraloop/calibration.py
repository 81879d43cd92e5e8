"""How often the gate errs here: the same rows taught again with other seeds, and judged against each other.

Two adapters that differ in nothing but the seed are equally good, so every promotion between them is a false one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .ports import Progress
from .types import Adapter, Record, Report

if TYPE_CHECKING:
    from .wiring import Home

RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Calibration(Record):
    """What was measured.

    Attributes:
        runs: pairs of equally good adapters that were judged. promoted: how many of them the gate promoted.
        resampled: how often each pair was judged again on conversations and cases drawn anew from its own.
        resampled_frac: share of those that were promoted, 0..1.
        seed_nats: root mean square of the difference of held-out loss between seeds, in nats per answer token: what
            ``gate.loss_margin_nats`` should not be under.
        at: when, UTC.
    """

    runs: int
    promoted: int
    resampled: int
    resampled_frac: float
    seed_nats: float
    at: str


def calibrate(home: Home, runs: int, progress: Progress | None = None) -> Calibration:
    """Teach the newest adapter's dataset ``runs`` times more with other seeds, judge each pair, and keep the result.

    Raises:
        UsageError: nothing was trained yet.
    """
    first = next(iter(home.store.adapters.list(home.bot)), None)
    dataset = home.store.datasets.get(first.dataset_id) if first is not None and first.dataset_id else None
    if first is None or dataset is None:
        raise UsageError("nothing was trained yet, so there are no equals to compare", hint="loraloop turn")
    first = home.loop.find_adapter(first.id)
    heldout, train, validation = (
        home.data.samples(dataset, home.template, split, home.settings.train.max_length)
        for split in ("gate", "train", "validation")
    )
    reports = []
    with home.turn_lock.held():
        for number in range(1, runs + 1):
            again = _taught_again(home, first, (train, validation), number, progress)
            reports.append(home.evaluator.evaluate(again, live=first, heldout=heldout, whole=True, progress=progress))
    found = _summed_up(home, reports)
    home.store.state.write(_key(home.bot), dict(found))
    return found


def last_calibration(home: Home) -> Calibration | None:
    """Return what was measured last, if anything was."""
    kept = home.store.state.read(_key(home.bot))
    return Calibration(**kept) if kept else None


def _key(bot: str) -> str:
    return f"calibration:{bot}"


def _taught_again(
    home: Home, first: Adapter, samples: tuple[Sequence[Any], Sequence[Any]], number: int, progress: Progress | None
) -> Adapter:
    from .train.core import LoRATrainerCore

    config = home.settings.train.model_copy(
        update={"seed": home.settings.train.seed + 7919 * number, "output_dir": str(home.adapter_dir)}
    )
    trainer = LoRATrainerCore(home.base, config, artifacts=home.artifacts, bot=home.bot)
    result = trainer.train_lora_adapter(
        f"calibrate-{number}", samples[0], validation_data=samples[1], dataset_id=first.dataset_id, progress=progress
    )
    return result.adapter


def _summed_up(home: Home, reports: Sequence[Report]) -> Calibration:
    from .evaluate.comparison import compare
    from .evaluate.gate import decide
    from .evaluate.resampling import resampled

    now = datetime.now(UTC)
    config = home.settings.gate

    def promotes(report: Report) -> bool:
        return decide(report, config, actor="calibrate", now=now).verdict == "promote"

    losses = [seen.loss.mean for report in reports if (seen := compare(report, "live")).loss is not None]
    drawn = [promotes(one) for n, report in enumerate(reports) for one in resampled(report, RESAMPLES, seed=n)]
    return Calibration(
        runs=len(reports),
        promoted=sum(map(promotes, reports)),
        resampled=len(drawn),
        resampled_frac=sum(drawn) / max(1, len(drawn)),
        seed_nats=math.sqrt(sum(loss**2 for loss in losses) / len(losses)) if losses else 0.0,
        at=now.isoformat(timespec="seconds"),
    )
