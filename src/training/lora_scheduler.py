"""``LoRAScheduler`` under its older path, and its assignable config."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from loraloop.schedule import config as schedule_config
from loraloop.schedule import scheduler

from .names import callers_name
from .translation import frozen_as

__all__ = ["LoRAScheduler", "SchedulerConfig"]

log = logging.getLogger(__name__)

_AT_ONCE_HOURS = 1e-6


@dataclass
class SchedulerConfig:
    """When training starts by itself; each setting is explained in ``loraloop.schedule.config``.

    An interval of 0 hours and a minimum of 0 samples mean "never wait", as they always did; more than one training at
    once is not done, whatever ``max_concurrent_training`` says.
    """

    training_interval_hours: float = 6
    min_samples_for_training: int = 50
    max_concurrent_training: int = 1
    enable_auto_scheduling: bool = True
    retry_on_failure: bool = True
    max_retry_count: int = 3

    def frozen(self) -> schedule_config.SchedulerConfig:
        """The scheduler's frozen config, as of now.

        Raises:
            SettingsError: a value cannot be used.
        """
        values = dict(vars(self))
        if self.training_interval_hours == 0:
            values["training_interval_hours"] = _AT_ONCE_HOURS
        if self.min_samples_for_training == 0:
            values["min_samples_for_training"] = 1
        if isinstance(self.max_concurrent_training, int) and self.max_concurrent_training > 1:
            log.info("max_concurrent_training=%d: one training at a time is done", self.max_concurrent_training)
            values["max_concurrent_training"] = 1
        return frozen_as(schedule_config.SchedulerConfig, values)


class LoRAScheduler(scheduler.LoRAScheduler):
    """The scheduler; callbacks get a caller's name as the caller gave it."""

    check_name: Callable[[str], str] = staticmethod(callers_name)
