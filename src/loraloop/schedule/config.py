"""Settings of the schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .expression import STRATEGIES, Node, parsed
from .wall_times import dates_of, hours_of, next_moment


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
    when: str = ""
    """What starts an automatic run, said in triggers: interval, rows, corrections, approval, drift, cron, stale,
    rested, joined by and, or, not and brackets ("rows or (cron and not stale)"); empty for what strategy says."""
    time_zone: str = "UTC"
    """Where the bot lives (Asia/Seoul): the zone of cron, quiet_hours, days_off, and of days and months below."""
    cron: str = ""
    """Moments at which the trigger cron fires: minute, hour, day, month, weekday ("0 3 * * *"); empty for never."""
    min_new_corrections: int = Field(default=5, ge=1)
    """New corrections that make the trigger corrections fire."""
    approval_false_alarm_frac: float = Field(default=0.01, gt=0, lt=1)
    """Most probability that the trigger approval ever fires between two runs although approval did not fall."""
    approval_fall_frac: float = Field(default=0.05, ge=0, lt=1)
    """Fall of approval (share of thumbs up) that is still tolerated."""
    drift_false_alarm_frac: float = Field(default=0.01, gt=0, lt=1)
    """Most probability that the trigger drift ever fires between two runs although the topics are the same."""
    drift_min_people: int = Field(default=30, ge=8)
    """People (or sessions) since the last run whose topics are compared first; again at each doubling."""
    stale_after_days: float = Field(default=30, ge=0, le=36_500)
    """Days after the last good run from which the trigger stale fires."""
    min_pause_hours: float = Field(default=1.0, ge=0, le=876_000)
    """Hours after the last run from which the trigger rested fires; part of the strategies "any" and "rows"."""
    cooldown_hours: float = Field(default=0, ge=0, le=876_000)
    """Least hours between automatic runs, whatever starts them; 0 for none."""
    quiet_hours: str = ""
    """Hours of the day in which no automatic run starts ("07:00-22:00"); empty for none."""
    days_off: tuple[str, ...] = ()
    """Dates on which no automatic run starts ("2026-12-24", "2026-12-24..2027-01-01")."""
    max_runs_per_day: int = Field(default=0, ge=0)
    """Most runs begun on one date; 0 for any number."""
    monthly_budget_hours: float = Field(default=0, ge=0, le=744)
    """Hours that runs may take in one calendar month before no automatic one starts; 0 for no limit."""
    max_load_per_core: float = Field(default=0, ge=0, le=1000)
    """Load of the last minute, per core, above which no automatic run starts; 0 for no limit."""
    min_free_memory_mb: int = Field(default=0, ge=0)
    """Memory that must be free for an automatic run, in MB; 0 for no limit."""
    min_free_gpu_memory_mb: int = Field(default=0, ge=0)
    """Memory that must be free on one GPU for an automatic run, in MB; 0 for no limit, and where there is no GPU."""
    max_requests_in_flight: int | None = Field(default=None, ge=0)
    """Requests being answered above which no automatic run starts; counts where the scheduler is told of them."""
    retry_delay_s: float = Field(default=60.0, ge=0, le=999_999)
    """Seconds before the first retry; doubled before each further one."""
    retry_delay_max_s: float = Field(default=3600.0, ge=0, le=999_999)
    """Longest delay before a retry, in seconds."""
    check_interval_s: float = Field(default=60.0, gt=0, le=999_999)
    """Seconds between looks at the triggers; a manual trigger never waits for it."""
    stop_timeout_s: float = Field(default=10.0, ge=0, le=999_999)
    """Longest wait for a run under way when the scheduler is stopped, in seconds."""

    @property
    def expression(self) -> Node:
        """What starts an automatic run."""
        return parsed(self.when.strip() or STRATEGIES[self.strategy])

    @field_validator("when")
    @classmethod
    def _means_something(cls, text: str) -> str:
        if text.strip():
            parsed(text)
        return text

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("there is no such time zone; write it as Asia/Seoul or Europe/Berlin") from None
        return name

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        if text:
            from cronsim import CronSimError

            if len(text.split()) != 5:
                raise ValueError("cron has five fields: minute, hour, day, month, weekday")
            try:
                next_moment(text, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
            except CronSimError as error:
                raise ValueError(f"no cron expression: {error}") from None
        return text

    @field_validator("quiet_hours")
    @classmethod
    def _are_hours(cls, text: str) -> str:
        if text:
            hours_of(text)
        return text

    @field_validator("days_off")
    @classmethod
    def _are_dates(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        for day in days:
            dates_of(day)
        return days
