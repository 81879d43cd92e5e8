"""Settings of the scheduler."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SchedulerConfig(BaseModel):
    """When the loop turns by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    training_interval_hours: float = Field(default=6.0, gt=0)
    """Least hours between the starts of two turns."""
    min_samples_for_training: int = Field(default=50, ge=1)
    """New conversations since the last turn below which none starts by itself."""
    max_concurrent_training: int = Field(default=1, ge=1, le=1)
    """Turns at once; one, for a turn needs the whole machine."""
    enable_auto_scheduling: bool = True
    """Whether turns start by themselves; manual ones always may."""
    retry_on_failure: bool = True
    """Whether a failed turn is tried again."""
    max_retry_count: int = Field(default=3, ge=0)
    """Tries after a failed turn, before the next interval."""
    retry_delay_s: float = Field(default=60.0, ge=0)
    """Seconds before the first retry; doubled for each further one."""
    check_every_s: float = Field(default=60.0, gt=0)
    """Seconds between looks at the triggers; a manual one is never waited for."""
