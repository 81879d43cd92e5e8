"""Experiments of a home: opened with its settings, for the command line and for whatever serves users."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .deploy.experiment import Experiments
    from .deploy.experiment_desk import ExperimentDesk
    from .deploy.experiment_plan import ExperimentPlan
    from .wiring import Home


def experiments_of(home: Home) -> Experiments:
    """Return the experiments of the home's bot."""
    from .deploy.experiment import Experiments

    return Experiments(home.store, home.deployer, bot=home.bot, config=home.settings.experiment)


def desk_of(home: Home) -> ExperimentDesk:
    """Return the desk that serving asks which release a user gets; one for each process that serves."""
    from .deploy.experiment_desk import ExperimentDesk

    return ExperimentDesk(experiments_of(home), home.store, home.bot)


def plan_of(home: Home, weeks: float, difference: float, approval: float | None = None) -> ExperimentPlan:
    """Return what an experiment would take with the traffic of the last weeks.

    Args:
        difference: drop of the primary metric to be seen, 0..1.
        approval: of what is live, 0..1; ``None`` takes what was measured.
    """
    from .deploy.experiment_plan import plan_experiment, traffic_of

    now = datetime.now(UTC)
    since = now - timedelta(weeks=weeks)
    traffic = traffic_of(home.store.conversations.iterate(home.bot, since), since, now)
    return plan_experiment(traffic, home.settings.experiment, difference, approval)
