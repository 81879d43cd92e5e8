"""What the gateway asks of whoever keeps durable jobs. Synchronous: the gateway calls it in threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..jobs import Job, JobEvent, Wish
from ..types import Adapter


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a client is told about how adapters are trained here.

    Attributes:
        model: the base, by its name in the settings. seed, epochs, batch_size: of the settings.
    """

    model: str
    seed: int = 0
    epochs: int = 1
    batch_size: int = 1


class JobBoard(Protocol):
    """Shows the jobs of one bot, and takes new ones."""

    @property
    def recipe(self) -> Recipe:
        """How adapters are trained here."""
        ...

    def enqueue(self, *, name: str, dataset_id: str, actor: str, key: str, metadata: Mapping[str, str]) -> Job:
        """Enqueue a turn, durably; the same key is the same job.

        Args:
            name: of the new adapter; empty counts on. dataset_id: to learn from; empty collects what there is.

        Raises:
            UsageError: the name cannot name an adapter. UnknownThing: there is no such dataset.
        """
        ...

    def page(self, after: str | None, limit: int) -> list[Job]:
        """Newest first, those before the job ``after``.

        Raises:
            UnknownThing: there is no job ``after``.
        """
        ...

    def find(self, job_id: str) -> Job:
        """One job.

        Raises:
            UnknownThing: there is none.
        """
        ...

    def events(self, job_id: str, after: int | None, limit: int) -> list[JobEvent]:
        """Newest first, those before the event ``after``."""
        ...

    def yielded_s(self) -> float:
        """For how long jobs stood aside for users, in seconds; not a number where that cannot be told now."""
        ...

    def ask(self, job_id: str, wish: Wish, actor: str) -> Job:
        """Ask a job for something.

        Raises:
            UnknownThing: there is none. UsageError: it cannot do that in its state.
        """
        ...

    def adapter(self, job: Job) -> Adapter | None:
        """What a job trained."""
        ...
