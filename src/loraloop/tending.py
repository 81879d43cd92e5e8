"""What is due whenever a home is opened, and after every turn: put right, settled, and cleaned up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .errors import LoraloopError, in_words
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
    """Remove old adapters and checkpoints that nobody will need, under the bot's turn: else turns fill the disk.

    A turn that is done stays so where that is not possible; the next one tries again.
    """
    keep = home.settings.deploy.keep_after_turn
    if not keep:
        return
    try:
        gone = home.deployer.cleanup_old_adapters(keep)["deleted_adapters"]
        gone += drop_abandoned(home.adapter_dir, ABANDONED_DAYS)
    except (LoraloopError, OSError) as error:
        log.warning("what turns left behind could not be removed: %s", in_words(error))
        return
    if gone:
        log.info("%d old adapters and abandoned trainings removed", gone)
