"""Settings of deployment."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DeploymentConfig(BaseModel):
    """How adapters go live, and what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    trial_hours: float = Field(default=72.0, ge=0, le=876_000)
    """Hours in which a new release must be confirmed, else the next start takes it back; 0 confirms it at once."""
    keep_adapters: int = Field(default=5, ge=0)
    """Newest adapters that clean-up keeps, besides the live, previous, on-trial and pinned ones."""
    pinned: tuple[str, ...] = ()
    """Adapters (names or ids) that clean-up never removes."""
    backup_days: float = Field(default=30.0, ge=0, le=36_500)
    """Days after which clean-up removes backups."""
