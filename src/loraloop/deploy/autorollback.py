"""When a release goes back by itself, how often it may, and what then needs a person. Pure but for the keeper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ..errors import DeployError
from ..ports import StateStore, Store
from ..types import Record, Release, utc
from .config import ExperimentConfig

DAY = timedelta(hours=24)
WINDOW = 200
"""Answers of a release among which guard hits are counted."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What no statistics are needed for.

    Attributes:
        errors_in_a_row: engine errors since the last answer. guard_users: whose answers a guard stopped,
            among the last 200 answers; everybody without a name counts as one.
    """

    errors_in_a_row: int = 0
    guard_users: int = 0


@dataclass(frozen=True, slots=True)
class Rollbacks(Record):
    """What went back by itself.

    Attributes:
        at: when, newest last. frozen_at: since when nothing automatic happens any more; ``None`` while it may.
        barred: digest of each adapter that only a person may bring back -> why it was sent back.
    """

    at: tuple[datetime, ...] = ()
    frozen_at: datetime | None = None
    barred: Mapping[str, str] = field(default_factory=dict)


def floor_broken(floors: Floors, config: ExperimentConfig) -> str:
    """Return which hard floor was broken, in words; empty while none is.

    Example:
        >>> floor_broken(Floors(errors_in_a_row=5), ExperimentConfig())
        '5 engine errors in a row, 5 are the floor'
    """
    if floors.errors_in_a_row >= config.floor_errors:
        return f"{floors.errors_in_a_row} engine errors in a row, {config.floor_errors} are the floor"
    if floors.guard_users >= config.floor_guard_hits:
        users, floor = floors.guard_users, config.floor_guard_hits
        return f"guard hits of {users} users in the last {WINDOW} answers, {floor} are the floor"
    return ""


def may_roll_back(rollbacks: Rollbacks, config: ExperimentConfig, now: datetime) -> bool:
    """Whether one more automatic rollback is allowed; where not, everything automatic freezes.

    A release that keeps going back points to something that going back does not mend.
    """
    recent = [moment for moment in rollbacks.at if now - moment < DAY]
    return rollbacks.frozen_at is None and len(recent) < config.rollbacks_a_day


def rolled_back(rollbacks: Rollbacks, digest: str | None, reason: str, now: datetime) -> Rollbacks:
    """Return what is remembered after an automatic rollback; the adapter is barred."""
    recent = tuple(moment for moment in rollbacks.at if now - moment < DAY)
    return replace(rollbacks, at=(*recent, now), barred=_barred(rollbacks, digest, reason))


def frozen(rollbacks: Rollbacks, digest: str | None, reason: str, now: datetime) -> Rollbacks:
    """Return what is remembered after one that was one too many; its adapter is barred as well."""
    return replace(rollbacks, frozen_at=rollbacks.frozen_at or now, barred=_barred(rollbacks, digest, reason))


def read_rollbacks(state: StateStore, bot: str) -> Rollbacks:
    """Return what went back by itself."""
    found: Any = state.read(_key(bot)) or {}
    moments = (utc(text) for text in found.get("at", ()))
    at = tuple(moment for moment in moments if moment is not None)
    return Rollbacks(at, utc(found.get("frozen_at")), dict(found.get("barred", {})))


def write_rollbacks(state: StateStore, bot: str, rollbacks: Rollbacks) -> None:
    """Remember it."""
    state.write(_key(bot), {
        "at": [moment.isoformat() for moment in rollbacks.at],
        "frozen_at": rollbacks.frozen_at.isoformat() if rollbacks.frozen_at else None,
        "barred": dict(rollbacks.barred),
    })  # fmt: skip


def refuse_without_a_person(state: StateStore, bot: str, digest: str, name: str) -> None:
    """Let nothing go before users that went back by itself, nor anything while all is frozen.

    Raises:
        DeployError: it did, or it is.
    """
    known = read_rollbacks(state, bot)
    if digest in known.barred:
        raise _barred_error(name, known.barred[digest])
    if known.frozen_at is not None:
        raise DeployError(
            f"automatic deployment of {bot} is frozen since {known.frozen_at:%Y-%m-%d %H:%M} UTC: too many rollbacks",
            hint=f"look at loraloop experiment status; a person ends it: loraloop deploy {name} --force --reason WHY",
        )


def refuse_barred(store: Store, bot: str, target: Release) -> None:
    """Let nobody go back to what went back by itself; to force it is to deploy it.

    Raises:
        DeployError: it did.
    """
    adapter = store.adapters.get(target.adapter_id or "")
    why = read_rollbacks(store.state, bot).barred.get(adapter.digest) if adapter else None
    if why is not None:
        raise _barred_error(target.adapter_name, why)


def let_return(state: StateStore, bot: str, digest: str) -> None:
    """A person took responsibility: the adapter is no longer barred, and nothing is frozen."""
    known = read_rollbacks(state, bot)
    if digest in known.barred or known.frozen_at is not None:
        rest = {one: why for one, why in known.barred.items() if one != digest}
        write_rollbacks(state, bot, replace(known, at=(), frozen_at=None, barred=rest))


def _barred(rollbacks: Rollbacks, digest: str | None, reason: str) -> Mapping[str, str]:
    return {**rollbacks.barred, digest: reason} if digest else rollbacks.barred


def _key(bot: str) -> str:
    return f"rollbacks:{bot}"


def _barred_error(name: str, why: str) -> DeployError:
    hint = f"a person may bring it back: loraloop deploy {name} --force --reason WHY"
    return DeployError(f"{name} was rolled back automatically: {why}", hint=hint)
