"""Settings of deployment."""

from __future__ import annotations

from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DeploymentConfig(BaseModel):
    """How adapters go live, and what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    trial_hours: float = Field(default=72.0, ge=0, le=876_000)
    """Hours in which a new release must be confirmed, else the next start takes it back; 0 confirms it at once."""
    keep_adapters: int = Field(default=5, ge=0)
    """Newest adapters that clean-up keeps, besides the live, previous, on-trial and pinned ones."""
    keep_after_turn: int = Field(default=20, ge=0)
    """Newest adapters and datasets that the clean-up after every turn keeps, besides those that serve, may be gone back
    to, or taught an adapter that ever was released; 0 for no clean-up by itself."""
    pinned: tuple[str, ...] = ()
    """Adapters (names or ids) that clean-up never removes."""
    backup_days: float = Field(default=30.0, ge=0, le=36_500)
    """Days after which clean-up removes backups."""


class ExperimentConfig(BaseModel):
    """How a candidate is tried on users beside the live release, and what sends it back."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    steps: tuple[float, ...] = (0.05, 0.25, 0.5)
    """Shares of users that get the candidate of a canary, rising, above 0 and at most 0.5; after the last, all do."""
    step_users: int = Field(default=50, ge=1)
    """Users of each arm with an outcome that every step of a canary must add before the next one."""
    step_hours: float = Field(default=1.0, ge=0, le=8760)
    """Hours that every step of a canary lasts at least."""
    least_users: int = Field(default=100, ge=20)
    """Users of each arm with an outcome before anything is promoted, and with an answer before a guardrail decides."""
    least_hours: float = Field(default=24.0, ge=0, le=8760)
    """Hours an experiment lasts at least before anything is promoted: a whole day has more than one kind of user."""
    max_days: float = Field(default=28.0, gt=0, le=365)
    """Days after which an experiment ends undecided."""
    false_verdicts: float = Field(default=0.05, gt=0, le=0.2)
    """Share of experiments between equals that may end with a verdict that one is better or worse, 0..0.2."""
    tolerance: float = Field(default=0.05, gt=0, le=0.2)
    """Difference of the primary metric by which a canary's candidate must surely not be worse, 0..1."""
    errors_more: float = Field(default=0.01, ge=0, le=1)
    """Share of failed answers that the candidate may have more, 0..1."""
    regenerated_more: float = Field(default=0.03, ge=0, le=1)
    """Share of regenerated answers that it may have more, 0..1."""
    guard_hits_more: float = Field(default=0.002, ge=0, le=1)
    """Share of answers stopped by a guard that it may have more, 0..1."""
    latency_more: float = Field(default=0.25, ge=0, le=10)
    """How much longer an answer may take, as a share of the control's time."""
    length_change: float = Field(default=0.5, ge=0, le=10)
    """How much longer or shorter answers may get, as a share of the shorter ones' length."""
    floor_errors: int = Field(default=5, ge=1)
    """Engine errors in a row that send a release back at once."""
    floor_guard_hits: int = Field(default=3, ge=1)
    """Users with a guarded answer among a release's last 200 that send it back; all who say no name are one,
    and where nobody says one each answer counts."""
    rollbacks_a_day: int = Field(default=2, ge=0)
    """Automatic rollbacks in 24 hours; one more freezes experiments and automatic deployment until a person acts."""

    @model_validator(mode="after")
    def _steps_rise(self) -> ExperimentConfig:
        rising = all(low < high for low, high in pairwise((0.0, *self.steps)))
        if not self.steps or not rising or self.steps[-1] > 0.5:
            raise ValueError(f"steps {list(self.steps)} must rise from above 0 to at most 0.5")
        return self
