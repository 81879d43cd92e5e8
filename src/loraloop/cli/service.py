"""loraloop service: a systemd unit that keeps the gateway, the worker or the schedule running."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import StoreError, UsageError
from .messages import t
from .options import AsJson, session_of

KINDS = {"serve": "gateway", "worker": "worker of durable jobs", "run": "schedule"}
STOP_S = 60
"""Seconds that a service has to end: answers are drained, a training keeps a checkpoint."""
service = typer.Typer(help="Keep loraloop running by systemd.", no_args_is_help=True)


@service.command()
def install(
    context: typer.Context,
    kind: Annotated[str, typer.Option("--kind", help="serve, worker or run.")] = "worker",
    system: Annotated[bool, typer.Option("--system", help="For the machine (as root), not for this user.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the unit, write nothing.")] = False,
    memory_gb: Annotated[
        float, typer.Option("--memory-gb", min=0, max=1e6, help="Most memory in GB; 0 for no limit.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Write a systemd unit for this home, with limits; it is neither enabled nor started."""
    from ..homes import home_folder

    session = session_of(context, as_json)
    home = home_folder(session.home)
    if kind not in KINDS:
        raise UsageError(f"no service {kind!r}", hint=f"one of {', '.join(KINDS)}")
    text = unit(kind, home, [sys.executable, "-P", "-m", "loraloop"], system=system, memory_gb=memory_gb)
    name = f"loraloop-{kind}.service"
    folder = Path("/etc/systemd/system") if system else _user_folder()
    faults = verified(text, name)
    if faults:
        raise UsageError(f"systemd refuses the unit: {faults}", hint="see loraloop service install --dry-run")
    if dry_run:
        session.say(text)
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot write {folder / name}: {error.strerror}", hint="--dry-run prints it") from error
        control = "systemctl" if system else "systemctl --user"
        session.say(t("service.written", path=folder / name))
        session.say(t("service.next", commands=f"{control} daemon-reload; {control} enable --now {name}"))
    session.answer({"path": str(folder / name), "written": not dry_run, "unit": text})


def unit(kind: str, home: Path, program: list[str], *, system: bool, memory_gb: float = 0) -> str:
    """Return the text of a unit.

    **Source**: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.resource-control(5).
    """
    command = " ".join(_quoted(word) for word in (*program, "--home", str(home), kind))
    training = kind != "serve"
    lines = [
        "[Unit]", f"Description=loraloop {KINDS[kind]}", "After=network-online.target" if system else "",
        "StartLimitIntervalSec=0", "",  # a disk that is full for an hour must not end the service for ever
        "[Service]", "Type=exec", f"ExecStart={command}", "Restart=on-failure", "RestartSec=30",
        # The worker ends its own children in order; whatever is left after the time is killed with it.
        "KillMode=mixed", f"TimeoutStopSec={STOP_S}", "OOMPolicy=continue",
        f"OOMScoreAdjust={500 if training else 0}" if system or training else "",
        "Nice=10" if training else "", "IOSchedulingClass=idle" if training else "",
        "CPUWeight=20" if training else "CPUWeight=200",
        f"MemoryMax={round(memory_gb * 1024)}M" if memory_gb else "", "TasksMax=512", "LimitNOFILE=65536",
        "NoNewPrivileges=yes", "UMask=0077", "Environment=HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1",
    ]  # fmt: skip
    if system:
        folder = str(home.parent).replace("%", "%%")  # beside the home lies the ledger of who was forgotten
        lines += [
            f"User={_owner(home)}", "ProtectSystem=strict", f'ReadWritePaths="{folder}"', "PrivateTmp=yes",
            "ProtectKernelTunables=yes", "ProtectControlGroups=yes", "RestrictSUIDSGID=yes",
        ]  # fmt: skip
    lines += ["", "[Install]", f"WantedBy={'multi-user' if system else 'default'}.target"]
    kept = [line for number, line in enumerate(lines) if line or lines[number - 1]]
    return "\n".join(kept) + "\n"


def verified(text: str, name: str) -> str:
    """Return what ``systemd-analyze verify`` finds wrong with a unit; nothing where that is not installed."""
    import tempfile

    if shutil.which("systemd-analyze") is None:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    return "; ".join(line for line in done.stderr.splitlines() if name in line) if done.returncode else ""


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _quoted(word: str) -> str:
    """A word as ExecStart reads it: specifiers and variables are meant literally."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(sign in word for sign in " \t'\"\\;") else escaped


def _owner(home: Path) -> str:
    import pwd

    try:
        return pwd.getpwuid(home.stat().st_uid).pw_name
    except (OSError, KeyError):
        return "nobody"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(service, name="service")
