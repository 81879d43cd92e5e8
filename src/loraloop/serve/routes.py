"""Which release answers a request: what the gateway asks, and whoever swaps releases answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

LIVE, CANDIDATE = "live", "candidate"
"""Aliases that move; a release's own id never does."""


@dataclass(frozen=True, slots=True)
class Route:
    """One model id that a client may name, and everything its answers depend on.

    Attributes:
        model: ``"live"``, ``"candidate"``, ``"base"`` or a release's id.
        version: the engine's name of the weights.
        release_id: ``None`` for the base alone outside any release.
        system_prompt: the release's; put before the conversation, whatever the client sent.
        decoding: the release's ``max_new_tokens, temperature, top_p, repetition_penalty``.
        experiment_id: the experiment that chose this route; empty outside one.
        arm: ``"control"`` or ``"candidate"`` within it.
        mirror_id: the release that answers the same unseen, in a shadow; ``None`` where none does.
    """

    model: str
    version: str
    release_id: str | None
    system_prompt: str = ""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    experiment_id: str = ""
    arm: str = ""
    mirror_id: str | None = None


class Routes(Protocol):
    """Knows the routes, and which requests are in flight on each."""

    def models(self) -> Sequence[Route]:
        """Every route a client may name now, aliases first."""
        ...

    def hold(self, model: str, user: str | None) -> AbstractAsyncContextManager[Route]:
        """The route of one request, whose version stays loaded until the context ends.

        An ``EngineError`` that leaves the context counts against the version.

        Args:
            user: pseudonym of the user, for experiments whose arms are sticky by user.

        Raises:
            UnknownThing: no such model is served.
        """
        ...
