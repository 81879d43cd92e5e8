"""What is due whenever a home is opened: what a crash left behind is put right, and what is owed is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .wiring import Home


def tend(home: Home) -> tuple[str, ...]:
    """End an overdue trial, repair what shows what is live, forget who is to be forgotten; returns what was done."""
    done = (*home.deployer.recover(), *home.forgetting.look_after())
    home.artifacts.sweep_staging()
    return done
