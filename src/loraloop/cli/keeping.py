"""Commands that keep a home: doctor, backup, restore."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import exit_codes
from .messages import t
from .options import AsJson, session_of


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file, or a folder for one named by the time.")],
    with_key: Annotated[
        bool, typer.Option("--with-key/--without-key", help="Whether secret.key is in it; else a restore needs --key.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Save the home into one verified file, while others work on it. Exit code 1: a live adapter could not be saved."""
    from ..backups import back_up

    session = session_of(context, as_json)
    with session.opened() as home, session.progress() as progress:
        saved = back_up(home, file, with_key=with_key, progress=progress)
    session.say(t("backup.done", path=saved.path, size=f"{saved.size_bytes / 1e6:.1f}",
                  conversations=saved.conversations, adapters=saved.adapters))  # fmt: skip
    session.say(t("backup.with_key") if saved.with_key else t("backup.without_key"))
    for line in saved.left_out:
        session.note(t("backup.left_out", text=line))
    session.answer(asdict(saved))
    if saved.live_left_out:
        raise typer.Exit(exit_codes.NO)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What loraloop backup wrote.")],
    key: Annotated[Path | None, typer.Option("--key", help="secret.key, where the backup holds none.")] = None,
    tombstones: Annotated[
        Path | None, typer.Option("--tombstones", help="HOME.tombstones of another place: people forgotten since.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Set the home that is there aside.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a home from a backup; whoever was forgotten since stays so. Exit code 1: doctor finds faults in it."""
    from ..homes import home_folder
    from ..restoring import restore as make

    session = session_of(context, as_json)
    home = home_folder(session.home)
    with session.progress() as progress:
        made = make(file, home, progress=progress, key=key, tombstones=tombstones, replace=replace)
    faults = [fault for lines in made["checks"].values() for fault in lines]
    session.say(t("restore.done", home=home, conversations=made["conversations"], adapters=made["adapters"],
                  at=made["made_at"][:16], tombstones=made["tombstones"]))  # fmt: skip
    if made["set_aside"]:
        session.say(t("restore.aside", path=made["set_aside"]))
    for line in made["recovered"]:
        session.note(t("recovered", text=line))
    for digest, said in made["left_out"].items():
        session.note(t("backup.left_out", text=f"{digest[:16]}: {said}"))
    for fault in faults:
        session.note(t("restore.fault", text=fault))
    session.answer(made)
    if faults:
        raise typer.Exit(exit_codes.NO)


def doctor(
    context: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without losing anything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything that is stored. Exit code 1: faults were found, or are left after a repair."""
    from ..health import examine, facts_of
    from ..mending import mend

    session = session_of(context, as_json)
    with session.opened() as home:
        recovered = list(home.recovered)
        mended = mend(home) if repair else []
        found, facts = examine(home), facts_of(home)
    faults = [fault for lines in found.values() for fault in lines]
    for one in mended:
        session.say(t(f"mended.{one.kind}", **one.facts))
    if repair and not mended:
        session.say(t("mended.nothing"))
    session.table([(t("doctor.ok") if not lines else "!", name, "; ".join(lines)) for name, lines in found.items()])
    session.say(t("doctor.faults", count=len(faults)) if faults else t("doctor.well", count=len(found)))
    told = [{"what": one.kind, **one.facts} for one in mended]
    session.answer({"whole": not faults, "checks": found, "recovered": recovered, "repaired": told, "facts": facts})
    if faults:
        raise typer.Exit(exit_codes.NO)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(doctor)
    app.command()(backup)
    app.command()(restore)
