"""What is due whenever a home is opened, and after every turn: put right, settled, and cleaned up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .errors import LoraloopError, in_words
from .old_datasets import unneeded_datasets
from .traces import drop_abandoned

if TYPE_CHECKING:
    from .wiring import Home

log = logging.getLogger(__name__)

ABANDONED_DAYS = 7.0
"""Days after which the checkpoints of a training that nobody went on with are removed."""


def tend(home: Home) -> tuple[str, ...]:
    """End an overdue trial, repair what shows what is live, forget who is to be forgotten; returns what was done."""
    done = (*home.deployer.recover(), *home.forgetting.look_after())
    home.artifacts.sweep_staging()
    return done


def tidy(home: Home) -> None:
    """Remove adapters, datasets and checkpoints that nobody will need, under the bot's turn: else turns fill the disk.

    A turn that is done stays so where that is not possible; the next one tries again.
    """
    keep = home.settings.deploy.keep_after_turn
    if not keep:
        return
    try:
        gone = home.deployer.cleanup_old_adapters(keep)["deleted_adapters"]
        gone += drop_abandoned(home.adapter_dir, ABANDONED_DAYS)
        for dataset_id in unneeded_datasets(home.store, home.artifacts, home.bot, keep):
            home.store.datasets.remove(dataset_id)
            gone += 1
    except (LoraloopError, OSError) as error:
        log.warning("what turns left behind could not be removed: %s", in_words(error))
        return
    if gone:
        log.info("%d old adapters, datasets and abandoned trainings removed", gone)
