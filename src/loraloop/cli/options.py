"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from .session import Session

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Name = Annotated[
    str | None, typer.Option("--name", help="Name of the new adapter; turn-001, turn-002, ... if left out.")
]
Adapter = Annotated[str, typer.Argument(help="Name or id of an adapter.")]
Actor = Annotated[str, typer.Option("--actor", help="Who answers for this; written into the history.")]
Folder = Annotated[Path | None, typer.Option("--keep", help="Folder of the demo's home.")]


def session_of(context: typer.Context, as_json: bool = False) -> Session:
    """Return the session of this call."""
    session = cast(Session, context.obj)
    session.as_json = as_json
    return session
