"""``LoRADeploymentManager`` under its older path."""

from loraloop.deploy.manager import LoRADeploymentManager

__all__ = ["LoRADeploymentManager"]
