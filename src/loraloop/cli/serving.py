"""Commands of the gateway: serve, keys."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ..errors import UsageError
from .messages import t
from .options import AsJson, session_of


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; the settings' if left out.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; the settings' if left out, 0 for a free one.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="embedded, vllm or upstream; the settings' if left out."),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option("--upstream", help="URL of an OpenAI-compatible server that answers.", metavar="URL")
    ] = None,
    with_worker: Annotated[
        bool, typer.Option("--worker", help="Do durable jobs too, in a process beside this one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Answer users over the OpenAI API until SIGTERM; exchanges are kept, feedback is taken."""
    from ..job_running import hosted_worker
    from ..serve.door import in_url
    from ..serve.server import Server
    from ..serving import LOOPBACK, first_key, open_gateway

    session = session_of(context, as_json)
    if host == "":  # to the system that means every address there is
        raise UsageError("--host names no address", hint="--host 127.0.0.1")
    with session.opened() as home:
        given = {"host": host, "port": port, "upstream": upstream}
        settings = home.settings.serve.model_copy(update={k: v for k, v in given.items() if v is not None})
        app = open_gateway(home, settings, engine)
        fresh = first_key(home) if settings.host in LOOPBACK else None
        server = Server(app, settings)

        def tell() -> None:
            where = f"http://{in_url(settings.host)}:{server.port}"
            if fresh:
                session.say(t("serve.first_key", fresh=fresh))
            session.say(t("serve.started", where=where))
            session.answer({"url": f"{where}/v1", "first_key": fresh}, in_one_line=True)

        server.when_started(tell)
        with hosted_worker(home) if with_worker or home.settings.jobs.worker_in_serve else nullcontext():
            server.run()
    session.say(t("serve.ended"))


keys = typer.Typer(help="Keys that open the gateway, and what each may do.", no_args_is_help=True)


@keys.command("create")
def create(
    context: typer.Context,
    role: Annotated[
        list[str], typer.Option("--role", help="chat, feedback, viewer, operator or admin; may be given again.")
    ],
    label: Annotated[str, typer.Option("--label", help="Whose it is, for the list.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and show it once; only a digest of it is kept."""
    from ..serve.keys import new_key

    session = session_of(context, as_json)
    with session.opened() as home:
        text, key = new_key(role, label, datetime.now(UTC))
        home.store.keys.add(key)
    session.say(text)
    session.note(t("keys.once", id=key.id, roles=", ".join(key.roles)))
    session.answer({"key": text, "id": key.id, "roles": list(key.roles), "label": key.label})


@keys.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List all keys, without their secrets."""
    session = session_of(context, as_json)
    with session.opened() as home:
        found = home.store.keys.list()
    rows: list[tuple[str, ...]] = [
        (key.id, ", ".join(key.roles), key.label, f"{key.created_at:%Y-%m-%d %H:%M}",
         f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "")
        for key in found
    ]  # fmt: skip
    session.table(rows, ("id", t("head.roles"), t("head.label"), "UTC", t("head.revoked")))
    shown: list[dict[str, Any]] = [{k: v for k, v in key.items() if k != "digest"} for key in found]
    session.answer({"keys": shown})


@keys.command("revoke")
def revoke(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="Id of the key, as keys list shows it, or the whole key.")],
    as_json: AsJson = False,
) -> None:
    """Let a key open nothing from now on; a gateway that runs notices within a second or two."""
    session = session_of(context, as_json)
    if not id:
        raise UsageError("no key is named", hint="loraloop keys list")
    with session.opened() as home:
        key = home.store.keys.revoke(id.split("_")[1] if id.startswith("ll_") and id.count("_") >= 2 else id)
    session.say(t("keys.revoked", id=key.id))
    session.answer({"id": key.id, "revoked_at": key.revoked_at})


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(serve)
    app.add_typer(keys, name="keys", rich_help_panel=None)
