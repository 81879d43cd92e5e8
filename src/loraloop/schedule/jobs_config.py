"""Settings of durable jobs and the workers that do them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ..jobs import RetryRule

AGAIN_S = 1.0
"""Seconds after which what the store could not write down, a heartbeat or an end, is tried again."""


class JobsConfig(BaseModel):
    """How jobs are held, tried again and given up, and what does them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lease_s: float = Field(default=45.0, ge=1, le=86_400)
    """Seconds after its last heartbeat at which a job is taken from whoever holds it."""
    heartbeat_s: float = Field(default=5.0, ge=0.05, le=3600)
    """Seconds between heartbeats; each hears of a cancel or a pause."""
    poll_s: float = Field(default=0.5, ge=0.02, le=3600)
    """Seconds between two looks of an idle worker for a job."""
    max_errors: int = Field(default=5, ge=1, le=1000)
    """Tries of a job that may end in an error before it has failed."""
    max_crashes: int = Field(default=2, ge=1, le=1000)
    """Tries of a job whose process may die or hang before it is put aside (quarantined)."""
    retry_delay_s: float = Field(default=60.0, ge=0, le=86_400)
    """Seconds before the second try after an error; doubled before each further one, jittered by up to a half."""
    retry_delay_max_s: float = Field(default=3600.0, ge=0, le=604_800)
    """Longest delay before a try, in seconds."""
    hung_after_s: float = Field(default=1800.0, ge=0, le=604_800)
    """Seconds without any progress after which the process of a job is killed; 0 for never."""
    cancel_grace_s: float = Field(default=20.0, ge=0, le=3600)
    """Seconds that the process of a job has to end by itself (a training keeps a checkpoint) before it is killed."""
    worker_in_serve: bool = False
    """Whether loraloop serve starts a worker beside the gateway, in a process of its own."""

    def rule(self) -> RetryRule:
        """Return when a try that ended badly is made again."""
        return RetryRule(self.max_crashes, self.retry_delay_s, self.retry_delay_max_s)
