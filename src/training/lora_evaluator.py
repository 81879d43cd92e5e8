"""``LoRAEvaluator`` under its older path, for callers' names and for wrappers that have ``generate_text`` alone."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

from loraloop.errors import LoraloopError
from loraloop.evaluate import evaluator

from .names import folder_in, folder_name

__all__ = ["LoRAEvaluator"]

log = logging.getLogger(__name__)

_SCORES = ("overall_score", "keyword_score", "quality_score", "avg_response_time", "max_response_time")
_COUNTS = ("test_cases_passed", "total_test_cases")


class LoRAEvaluator(evaluator.LoRAEvaluator):
    """The evaluator; whatever goes wrong in an evaluation, also in a caller's own code, is told in its result."""

    def evaluate_adapter_performance(self, adapter_name: str, adapter_path: str | Path | None = None) -> dict[str, Any]:
        """See ``loraloop.evaluate.evaluator.LoRAEvaluator.evaluate_adapter_performance``."""
        try:
            folder = adapter_path or folder_in(Path(self.config.adapter_dir), adapter_name)
            return super().evaluate_adapter_performance(folder_name(adapter_name), folder)
        except Exception as error:  # the caller's generate_response or test_cases; the error is the result
            log.warning("adapter %s could not be evaluated: %s", adapter_name, type(error).__name__)
            said = str(error) if isinstance(error, LoraloopError) else f"{type(error).__name__}: {error}"
            hint = getattr(error, "hint", "look into the model's own generate_response, and into test_cases")
            return {**dict.fromkeys(_SCORES, 0.0), **dict.fromkeys(_COUNTS, 0), "error": said, "hint": hint}

    @property
    def model(self) -> Any:
        """What was handed in; a wrapper with ``generate_text`` alone as one with ``generate_response``."""
        return self._model

    @model.setter
    def model(self, wrapper: Any) -> None:
        speaks, writes = (callable(getattr(wrapper, f"generate_{way}", None)) for way in ("response", "text"))
        self._model = TextWrapper(wrapper) if writes and not speaks else wrapper


class TextWrapper:
    """A caller's wrapper that answers through ``generate_text``, as one that has ``generate_response``.

    To give it another model is to go on with a shallow copy of the caller's; that one stays as it was.
    """

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper

    @property
    def model(self) -> Any:
        """The wrapper's model."""
        return self._wrapper.model

    @model.setter
    def model(self, model: Any) -> None:
        self._wrapper = copy.copy(self._wrapper)
        self._wrapper.model = model

    @property
    def tokenizer(self) -> Any:
        """The wrapper's tokenizer."""
        return self._wrapper.tokenizer

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """The ``"text"`` of what the wrapper's own ``generate_text`` gives."""
        return str(self._wrapper.generate_text(prompt, max_new_tokens=max_length)["text"])
