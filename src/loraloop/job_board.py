"""The gateway's board of jobs over a home's store."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import StoreError, UnknownThing
from .jobs import Job, JobEvent, NewJob, Wish
from .ports import Store
from .serve.job_board import Recipe
from .store.location import checked_name
from .types import Adapter


class HomeBoard:
    """Shows and takes the jobs of one bot.

    Args:
        store: where. bot: whose. recipe: what clients are told of the training.
        max_errors: tries that may end in an error before a job has failed.
    """

    def __init__(self, store: Store, bot: str, recipe: Recipe, max_errors: int = 5) -> None:
        self._store, self._bot, self._max_errors = store, bot, max_errors
        self.recipe = recipe

    def enqueue(self, *, name: str, dataset_id: str, actor: str, key: str, metadata: Mapping[str, str]) -> Job:
        """Enqueue a turn, durably."""
        if name:
            checked_name(name)
        stages: dict[str, Mapping[str, str]] = {}
        if dataset_id:
            found = self._store.datasets.get(dataset_id)
            if found is None or found.bot != self._bot:
                raise UnknownThing(f"no dataset {dataset_id!r}")
            stages["collect"] = {"dataset_id": dataset_id}
        new = NewJob(self._bot, f"api:{key}" if key else "", name, actor, "asked for over the API",
                     max_errors=self._max_errors, stages=stages, metadata=metadata)  # fmt: skip
        return self._store.jobs.add(new)

    def page(self, after: str | None, limit: int) -> list[Job]:
        """Jobs, the newest first."""
        return self._store.jobs.list(self._bot, after=after, limit=limit)

    def find(self, job_id: str) -> Job:
        """One job of this bot."""
        job = self._store.jobs.get(job_id)
        if job is None or job.bot != self._bot:
            raise UnknownThing(f"no job {job_id!r}")
        return job

    def events(self, job_id: str, after: int | None, limit: int) -> list[JobEvent]:
        """What happened to a job, the newest first."""
        return self._store.jobs.events(self.find(job_id).id, after=after, limit=limit)

    def yielded_s(self) -> float:
        """For how long jobs of this bot stood aside for users, in seconds; not a number while the store is away."""
        try:
            return self._store.jobs.yielded_s(self._bot)
        except StoreError:
            return float("nan")

    def ask(self, job_id: str, wish: Wish, actor: str) -> Job:
        """Ask a job of this bot for something."""
        return self._store.jobs.ask(self.find(job_id).id, wish, actor)

    def adapter(self, job: Job) -> Adapter | None:
        """What a job trained."""
        adapter_id = job.stages.get("train", {}).get("adapter_id")
        return self._store.adapters.get(adapter_id) if adapter_id else None
