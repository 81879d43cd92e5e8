"""Which datasets nobody will ask for again. Each has the rows that no other one has to itself.

What taught an adapter that was ever released, or whose files are there, stays for the lineage of its answers; so does
what a job may go on with, and what the schedule counts from.
"""

from __future__ import annotations

from .deploy.history import ALL
from .ports import ArtifactStore, Store
from .schedule.memory import MemoryKeeper
from .turns import last_turn


def unneeded_datasets(store: Store, artifacts: ArtifactStore, bot: str, keep: int) -> list[str]:
    """Return the ids of a bot's datasets that may go, beyond the newest ``keep``."""
    needed = _of_adapters(store, artifacts) | _of_jobs(store, bot) | _counted_from(store, bot)
    return [one for one in store.datasets.ids(bot)[keep:] if one not in needed]


def _of_adapters(store: Store, artifacts: ArtifactStore) -> set[str | None]:
    """Of every bot, for bots may share an adapter."""
    bots, present = store.bots(), set(artifacts.digests())
    released = {one.adapter_id for bot in bots for one in store.releases.history(bot, ALL)}
    adapters = (one for bot in bots for one in store.adapters.list(bot, ALL))
    return {one.dataset_id for one in adapters if one.id in released or one.digest in present}


def _of_jobs(store: Store, bot: str) -> set[str | None]:
    """A job that failed or was put aside may be tried again."""
    jobs = (job for job in store.jobs.list(bot) if job.status != "succeeded" and "collect" in job.stages)
    return {str(job.stages["collect"]["dataset_id"]) for job in jobs}


def _counted_from(store: Store, bot: str) -> set[str | None]:
    turn, schedule = last_turn(store.state, bot), MemoryKeeper(store.state, f"scheduler:{bot}").load()
    marks = (store.arrivals.mark(bot), turn[2] if turn else None, schedule.learnt)
    return {mark.dataset_id for mark in marks if mark is not None}
