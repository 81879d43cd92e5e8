"""Commands about people: forget, lineage, data consent, data prune."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ..errors import UsageError
from .messages import t
from .options import Actor, AsJson, session_of

User = Annotated[str, typer.Argument(help="The name the person is known by where conversations come from, or u-...")]


def forget(
    context: typer.Context,
    user: User,
    now: Annotated[bool, typer.Option("--now", help="Take what learnt from them out of service at once.")] = False,
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Erase everything of a person, and have what learnt from them rebuilt; writes a receipt."""
    session = session_of(context, as_json)
    with session.opened() as home:
        receipt = home.forgetting.forget(home.pseudonyms(user), now=now, actor=actor)
        path = home.folder / "receipts" / f"{receipt['erasure']}.json"
    session.say(t("forget.done", conversations=receipt["conversations"], feedback=receipt["rows"]["feedback"]))
    for kind in ("datasets", "adapters", "releases"):
        if receipt[kind]:
            session.say(f"  {t('forget.' + kind)}: {', '.join(receipt[kind])}")
    for bot, target in receipt["rolled_back_to"].items():
        session.say("  " + (t("forget.rolled_back", bot=bot, target=target) if target else t("forget.stuck", bot=bot)))
    if receipt["live"] and not receipt["rolled_back_to"]:
        session.say("  " + t("forget.owed", due=receipt["rebuild_due"][:16]))
    for bot in receipt["turns_under_way"]:
        session.note(t("forget.busy", bot=bot))
    session.say(t("forget.receipt", path=path))
    session.answer({**receipt, "receipt": str(path)})


def lineage(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="A conversation, dataset, adapter or release.")],
    as_json: AsJson = False,
) -> None:
    """Walk from an answer to the rows that taught it, and from a row to the answers it taught."""
    from ..lineage import lineage as walk

    session = session_of(context, as_json)
    with session.opened() as home:
        found = walk(home.store, home.bot, id)
    rows: list[tuple[str, ...]] = [(t("lineage.kind"), f"{found.kind} {found.id}")]
    for name in ("taught_by", "datasets", "adapters", "releases", "answers"):
        ids = found[name]
        shown = ", ".join(ids[:SHOWN]) + (f" ... ({len(ids)})" if len(ids) > SHOWN else "")
        rows.append((t(f"lineage.{name}"), shown or t("status.none")))
    session.table(rows)
    session.answer(found)


SHOWN = 10


def consent(
    context: typer.Context,
    user: User,
    withdraw: Annotated[
        bool | None, typer.Option("--withdraw/--restore", help="Nothing they said may be learnt from now on, or again.")
    ] = None,
    under_14: Annotated[
        bool | None, typer.Option("--under-14/--not-under-14", help="Whether a guardian must consent.")
    ] = None,
    guardian: Annotated[
        bool | None, typer.Option("--guardian/--no-guardian", help="Whether a guardian consented.")
    ] = None,
    actor: Actor = "operator",
    as_json: AsJson = False,
) -> None:
    """Show or set what holds for all that a person said; the next dataset heeds it."""
    session = session_of(context, as_json)
    with session.opened() as home:
        names = home.pseudonyms(user)
        people = {name: home.store.people.get(name) for name in names}  # one a key: each holds what was said under it
        changes: dict[str, Any] = {}
        if withdraw is not None:
            changes["withdrawn_at"] = datetime.now(UTC) if withdraw else None
        if under_14 is not None:
            changes["age_group"] = "under_14" if under_14 else "14_or_over"
        if guardian is not None:
            changes["guardian_consent"] = guardian
        if changes:
            for name, one in people.items():
                people[name] = home.store.people.put(replace(one, **changes), bot=home.bot, actor=actor)
        said = {name: home.store.consents.of(home.bot, name) for name in names}  # at the gateway, by themselves
        if withdraw is False:
            for name in (name for name, word in said.items() if word == "withdrawn"):
                said[name] = "granted"
                home.store.consents.set(home.bot, name, "granted")
    person = next((one for one in people.values() if one.refusal), people[names[0]])
    refusal = "withdrawn" if "withdrawn" in said.values() else person.refusal
    held = {
        "withdrawn": t("consent.withdrawn"),
        "needs-guardian": t("consent.needs_guardian"),
        None: t("consent.as_given"),
    }
    session.say(f"{names[0]}: {held[refusal]}")
    session.answer({**dict(person), "id": names[0], "may_be_learnt": refusal is None})


def prune(
    context: typer.Context,
    days: Annotated[
        float | None, typer.Option("--days", min=0, max=36_500, help="Keep so many days; the setting if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase conversations that are older than they may be kept; public corpora stay."""
    session = session_of(context, as_json)
    with session.opened() as home:
        kept = home.settings.privacy.retention_days if days is None else days
        if not kept:
            raise UsageError(
                "nothing says how long conversations are kept", hint="--days N, or [privacy] retention_days"
            )
        count = home.forgetting.prune(kept, dry_run=dry_run)
    facts = {"count": count, "days": f"{kept:g}"}
    session.say(t("prune.would", **facts) if dry_run else t("prune.done", **facts))
    session.answer({"conversations": count, "days": kept, "dry_run": dry_run})


def new_key(context: typer.Context, as_json: AsJson = False) -> None:
    """Make a new key of pseudonyms; the older ones are kept, so that whoever came before it can still be forgotten."""
    from ..store.secret import rotate_secret

    session = session_of(context, as_json)
    with session.opened() as home, home.turn_lock.held():
        rotate_secret(home.folder / "secret.key")
        count = len(home.secrets)
    session.say(t("key.made", count=count))
    session.answer({"keys": count})


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    from .conversations import data

    app.command()(forget)
    app.command()(lineage)
    data.command()(consent)
    data.command()(prune)
    data.command()(new_key)
