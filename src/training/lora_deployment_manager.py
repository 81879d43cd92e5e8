"""``LoRADeploymentManager`` under its older path, for callers' names."""

from __future__ import annotations

from loraloop.deploy import manager
from loraloop.deploy.adoption import Find

from .names import folder_in

__all__ = ["LoRADeploymentManager"]


class LoRADeploymentManager(manager.LoRADeploymentManager):
    """The manager; adapters are told of under the names that the caller gave them."""

    find: Find = staticmethod(folder_in)
