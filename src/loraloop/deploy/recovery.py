"""What opening a home puts right: a trial that nobody confirmed in time, and a production folder left behind."""

from __future__ import annotations

import logging

from ..errors import ArtifactError, LoraloopError, UnknownThing
from ..ports import Store
from ..types import Release
from .history import ALL, BASE, folder_name, way_back
from .switch import Switch

log = logging.getLogger(__name__)


def recover(switch: Switch, store: Store, bot: str) -> list[str]:
    """End an overdue trial and let ``production/current`` show what is live; returns what was done, in words."""
    done: list[str] = []
    live = store.releases.live(bot)
    if live is not None and live.status == "on_trial" and live.trial_ends_at and switch.now() > live.trial_ends_at:
        unconfirmed = f"release {live.version} ({live.adapter_name}) was not confirmed by"
        went = _go_back(switch, store, live, "trial deadline")
        done.append(f"{unconfirmed} {live.trial_ends_at:%Y-%m-%d %H:%M} UTC; {went}")
        live = store.releases.live(bot)
    done += _show(switch, live)
    for line in done:
        log.warning("%s", line)
    return done


def leave_damaged(switch: Switch, store: Store, bot: str) -> list[str]:
    """If the live adapter's files are not whole, go back to a release whose files are; returns what was done."""
    live = store.releases.live(bot)
    if live is None or live.adapter_id is None:
        return []
    try:
        switch.files_of(live)
        return []
    except (ArtifactError, UnknownThing) as error:
        done = [f"release {live.version} ({live.adapter_name}): {error}; {_go_back(switch, store, live, 'doctor')}"]
    return done + _show(switch, store.releases.live(bot))


def _go_back(switch: Switch, store: Store, live: Release, actor: str) -> str:
    """Go back to the newest earlier release whose files are whole, else to the base alone; says what happened."""
    releases = store.releases.history(live.bot, ALL)
    said: list[str] = []
    for target in way_back(live, releases):
        try:
            release = switch.go_back(target, live, releases[0], actor)
            return "; ".join([*said, f"went back to {release.adapter_name}"])
        except (ArtifactError, UnknownThing) as error:
            said.append(f"{target.adapter_name if target else BASE} cannot serve ({error})")
        except LoraloopError as error:
            said.append(f"not gone back: {error}")
            break
    return "; ".join(said)


def _show(switch: Switch, live: Release | None) -> list[str]:
    if live is None or live.adapter_id is None:
        if not switch.production.current.is_symlink():
            return []
        switch.production.hide()
        return ["production/current was removed: the base alone is live"]
    if switch.production.leads_to(folder_name(live)):
        return []
    try:
        switch.show(live)
    except (ArtifactError, UnknownThing) as error:  # a home with a damaged adapter must open, to be looked at
        return [f"production/current does not show the live adapter: {error}"]
    return ["production/current leads to the live adapter again"]
