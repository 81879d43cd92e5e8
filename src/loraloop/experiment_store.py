"""The port of whatever keeps experiments; ``ports.Store`` holds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from .experiments import Arm, Experiment, Observation, Tally
from .types import Release


class ExperimentStore(Protocol):
    """Keeps experiments, who takes part, and what was seen of their answers."""

    def start(self, experiment: Experiment, candidate: Release) -> Experiment:
        """Store both, the candidate as a release that is not live, in one transaction.

        Raises:
            UsageError: an experiment of this bot is running already.
        """
        ...

    def running(self, bot: str) -> Experiment | None:
        """The one that runs, if one does."""
        ...

    def list(self, bot: str, limit: int = 100) -> list[Experiment]:
        """Newest first."""
        ...

    def change(self, was: Experiment, now: Experiment, event: str, facts: Mapping[str, Any]) -> Experiment:
        """Replace an experiment that is still as it ``was``, and tell it.

        Raises:
            StaleRelease: somebody else changed it first.
        """
        ...

    def assign(self, experiment_id: str, user: str, arm: Arm, at: datetime) -> None:
        """Write down that a user takes part, durably; a second time changes nothing."""
        ...

    def observe(self, experiment_id: str, seen: Sequence[Observation]) -> None:
        """Add what was seen of assigned users; of others nothing is kept."""
        ...

    def tally(self, experiment_id: str, primary: str) -> Tally:
        """What was seen of each arm so far, user by user."""
        ...

    def forget(self, user: str) -> int:
        """Remove a user from every experiment; return from how many."""
        ...
