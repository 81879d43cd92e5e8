"""Settings of the schedule."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SchedulerConfig(BaseModel):
    """When the loop turns by itself, and what happens when it fails."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    training_interval_hours: float = Field(default=6, ge=0, le=876_000)
    """Hours between automatic runs, from the end of one to the start of the next."""
    min_samples_for_training: int = Field(default=50, ge=1)
    """New rows an automatic run needs."""
    max_concurrent_training: int = Field(default=1, ge=1)
    """Runs at a time; a scheduler runs one, and says so when more are asked for."""
    enable_auto_scheduling: bool = True
    """Whether runs start by themselves; without it only manual triggers start one."""
    retry_on_failure: bool = True
    """Whether a failed run is tried again."""
    max_retry_count: int = Field(default=3, ge=0)
    """How often a failed run is tried again before the next interval."""
    strategy: Literal["all", "any", "interval", "rows"] = "all"
    """What starts an automatic run: interval and rows ("all"), either ("any"), or one of them alone."""
    min_pause_hours: float = Field(default=1.0, ge=0, le=876_000)
    """Least hours between automatic runs where rows alone may start one (strategies "any" and "rows")."""
    retry_delay_s: float = Field(default=60.0, ge=0, le=999_999)
    """Seconds before the first retry; doubled before each further one."""
    retry_delay_max_s: float = Field(default=3600.0, ge=0, le=999_999)
    """Longest delay before a retry, in seconds."""
    check_interval_s: float = Field(default=60.0, gt=0, le=999_999)
    """Seconds between looks at the triggers; a manual trigger never waits for it."""
    stop_timeout_s: float = Field(default=10.0, ge=0, le=999_999)
    """Longest wait for a run under way when the scheduler is stopped, in seconds."""
