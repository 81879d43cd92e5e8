"""Settings of where values are kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

_KNOWN = ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:////")


class StoreConfig(BaseModel):
    """Where values are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: str = ""
    """Database URL (postgresql://USER@HOST/NAME); empty for an SQLite file in the home."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        # Anything else would be taken for a file: a new one in every folder in which a command is run.
        if url and not url.startswith(_KNOWN):
            raise ValueError("it should begin with postgresql:// (or with sqlite:// and the path of a file, from / on)")
        return url
