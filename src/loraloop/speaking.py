"""A home's models that answer: the live release, the base, or an adapter by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .live_base import base_of
from .wiring import Home

if TYPE_CHECKING:
    from .lm.speaker import Speaker


def speaker_of(home: Home, subject: str = "live", beside: Speaker | None = None) -> Speaker:
    """Load a model that answers: ``"live"``, ``"base"``, or an adapter's name or id.

    Args:
        beside: one of the base alone, whose weights are copied instead of read anew where the base is the same.

    Raises:
        UnknownThing: no such adapter, or ``"live"`` was asked for and nothing was ever released.
        ModelError, WrongBase: the base that the live release was made for is gone.
    """
    from .lm.decode import Decoding
    from .lm.speaker import Speaker

    serving: dict[str, Any] = {
        "system_prompt": home.settings.base.system_prompt,
        "decoding": home.settings.base.decoding(),
    }
    folder, base = None, home.base
    if subject == "live":
        release = home.store.releases.live(home.bot)
        if release is not None:
            base = base_of(home, release)
            serving |= dict(release.serving)
            adapter = home.loop.live_adapter()
            folder = Path(adapter.path) if adapter is not None else None
    elif subject != "base":
        folder = Path(home.loop.find_adapter(subject).path)
    how: dict[str, Any] = {"system_prompt": str(serving["system_prompt"]), "decoding": Decoding(**serving["decoding"])}
    copied = beside.beside(base.folder, folder, **how) if beside is not None else None
    return copied or Speaker(base.folder, folder, **how)
