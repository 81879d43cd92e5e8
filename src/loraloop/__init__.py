"""loraloop: a chatbot's conversations become better LoRA adapters for it, again and again.

Start with a home and turn the loop::

    import loraloop

    loraloop.init_home("my-bot", base__model="smollm2")
    with loraloop.open_home("my-bot") as home:
        result = home.loop.turn()

or take one component alone (``LoRADataManager``, ``LoRATrainerCore``, ``LoRAEvaluator``, ``LoRAScheduler``,
``LoRADeploymentManager``). Names are loaded when first used: importing this package loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME_OF = {
    "Home": "wiring",
    "init_home": "wiring",
    "open_home": "wiring",
    "Loop": "controller",
    "TurnResult": "controller",
    "Settings": "settings",
    "load_settings": "settings",
    "DataQualityConfig": "data.quality",
    "LoRADataManager": "data.manager",
    "LoRATrainingConfig": "train.config",
    "LoRATrainerCore": "train.core",
    "EvaluationConfig": "evaluate.config",
    "GateConfig": "evaluate.config",
    "LoRAEvaluator": "evaluate.evaluator",
    "DeploymentConfig": "deploy.config",
    "LoRADeploymentManager": "deploy.manager",
    "SchedulerConfig": "schedule.config",
    "LoRAScheduler": "schedule.scheduler",
    "Conversation": "types",
    "Message": "types",
    "Feedback": "types",
    "Dataset": "types",
    "Adapter": "types",
    "Report": "types",
    "Decision": "types",
    "Release": "types",
    "Exchange": "types",
    "LoraloopError": "errors",
}

__all__ = [*sorted(_HOME_OF), "__version__"]

if TYPE_CHECKING:
    from .controller import Loop as Loop
    from .controller import TurnResult as TurnResult
    from .data.manager import LoRADataManager as LoRADataManager
    from .data.quality import DataQualityConfig as DataQualityConfig
    from .deploy.config import DeploymentConfig as DeploymentConfig
    from .deploy.manager import LoRADeploymentManager as LoRADeploymentManager
    from .errors import LoraloopError as LoraloopError
    from .evaluate.config import EvaluationConfig as EvaluationConfig
    from .evaluate.config import GateConfig as GateConfig
    from .evaluate.evaluator import LoRAEvaluator as LoRAEvaluator
    from .schedule.config import SchedulerConfig as SchedulerConfig
    from .schedule.scheduler import LoRAScheduler as LoRAScheduler
    from .settings import Settings as Settings
    from .settings import load_settings as load_settings
    from .train.config import LoRATrainingConfig as LoRATrainingConfig
    from .train.core import LoRATrainerCore as LoRATrainerCore
    from .types import Adapter as Adapter
    from .types import Conversation as Conversation
    from .types import Dataset as Dataset
    from .types import Decision as Decision
    from .types import Exchange as Exchange
    from .types import Feedback as Feedback
    from .types import Message as Message
    from .types import Release as Release
    from .types import Report as Report
    from .wiring import Home as Home
    from .wiring import init_home as init_home
    from .wiring import open_home as open_home


def __getattr__(name: str) -> Any:
    try:
        module = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'loraloop' has no attribute {name!r}") from None
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
