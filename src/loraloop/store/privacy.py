"""Settings of privacy: how long talk is kept, how soon a forgotten person is unlearnt, where tombstones stand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class PrivacyConfig(BaseModel):
    """How long talk is kept, and how it is forgotten."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    retention_days: float = Field(default=0, ge=0, le=36_500)
    """Days a conversation is kept, from when it was held; 0 keeps it until it is forgotten. Public corpora stay."""
    rebuild_hours: float = Field(default=72, ge=0, le=8_760)
    """Hours until an adapter that learnt from a forgotten person is rebuilt without them, or rolled back."""
    tombstones: str = ""
    """File of tombstones; empty for one beside the home, so that a restored home does not bring the forgotten back."""

    @field_validator("tombstones")
    @classmethod
    def _is_one_place(cls, path: str) -> str:
        # Read from wherever a command is run, it would be another file each time, without the people of the others.
        if path and not path.startswith(("/", "~")):
            raise ValueError("it should be a whole path, from / on")
        return path
