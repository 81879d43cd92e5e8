"""The base of the live release, which need not be the one that new adapters are trained on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .errors import ModelError, WrongBase
from .types import Dataset, Release

if TYPE_CHECKING:
    from .evaluate.other_base import OtherBase
    from .lm.bases import Base
    from .wiring import Home

log = logging.getLogger(__name__)


def base_of(home: Home, release: Release | None) -> Base:
    """Return the base that a release answers on; the home's where it names none.

    Raises:
        ModelError: it is no longer on this machine. WrongBase: what has its name now is another model.
    """
    from .lm.bases import find_base

    if release is None or release.base_id == home.base.id or not release.serving.get("base"):
        return home.base
    base = find_base(str(release.serving["base"]), home.folder / "bases")
    if base.id != release.base_id:
        raise WrongBase(
            f"release {release.id} is of {release.base_id}; {base.source} is {base.id} now",
            hint="put the old base back where it was, or roll back to a release of this one",
        )
    return base


def other_base(home: Home, dataset: Dataset | None) -> OtherBase | None:
    """Return what the live adapter of another base is judged with: that base, and the held-out rows in its tokens.

    ``None``, and a warning, where that base is gone: then the new adapter can only be compared with its own base.
    """
    from .evaluate.other_base import OtherBase
    from .lm.loader import load_tokenizer
    from .lm.template import Template

    live = home.store.releases.live(home.bot)
    try:
        base = base_of(home, live)
    except (ModelError, WrongBase) as error:
        log.warning("the live release cannot be compared with: %s; the new base alone is the comparison", error)
        return None
    template = Template(load_tokenizer(base.folder), home.settings.base.system_prompt)
    length = home.settings.train.max_length
    rows = home.data.samples(dataset, template, "gate", length) if dataset is not None else []
    return OtherBase(base, rows)
