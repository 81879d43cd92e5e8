"""A home's models that answer: the live release, the base, or an adapter by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .live_base import base_of
from .wiring import Home

if TYPE_CHECKING:
    from .lm.speaker import Speaker


def speaker_of(home: Home, subject: str = "live") -> Speaker:
    """Load a model that answers: ``"live"``, ``"base"``, or an adapter's name or id.

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
    return Speaker(
        base.folder,
        folder,
        system_prompt=str(serving["system_prompt"]),
        decoding=Decoding(**serving["decoding"]),
    )
