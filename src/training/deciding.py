"""What the older interface's rules say about an adapter, as a decision, and how its outcome is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.thresholds import absolute_rules
from loraloop.types import Adapter, Decision, Release, plain


def decide(
    adapter: Adapter, performance: Mapping[str, Any], threshold: float, *, actor: str, now: datetime
) -> Decision:
    """Return the decision of the fixed thresholds on a performance, and of the gate where an adapter was live.

    Args:
        threshold: least overall score, 0..1.
    """
    rules = absolute_rules(performance, threshold)
    failed = [f"{rule.rule} is {rule.observed}, required {rule.required}" for rule in rules if not rule.passed]
    identity = f"{adapter.id} {actor} {now.isoformat()}"
    return Decision(
        id=f"dc-{hashlib.sha256(identity.encode()).hexdigest()[:16]}",
        bot=adapter.bot,
        adapter_id=adapter.id,
        verdict="hold" if failed else "promote",
        created_at=now,
        actor=actor,
        rules=rules,
        reason="; ".join(failed) or "every threshold met",
    )


def live_folder(deployer: LoRADeploymentManager) -> Path | None:
    """Return where the files of the live adapter are, ``None`` where none is."""
    folder = deployer.get_current_production_info().get("production_path")
    return Path(folder) if folder else None


def told(
    adapter_name: str,
    performance: Mapping[str, Any],
    decision: Decision | None = None,
    release: Release | None = None,
    production_path: str = "",
) -> dict[str, Any]:
    """Return the outcome as ``deploy_adapter`` tells it: deployed where there is a release, else refused."""
    outcome = {"success": release is not None, "adapter_name": adapter_name, "performance": plain(performance)}
    if decision is not None:
        outcome |= {"decision_id": decision.id, "rules": plain(decision.rules)}
        if release is None:
            outcome["reason"] = decision.reason
    if release is not None:
        outcome |= {
            "deployed_at": release.created_at.isoformat(),
            "production_path": production_path,
            "release_id": release.id,
        }
    return outcome
