"""``LoRAEvaluator`` under its older path."""

from loraloop.evaluate.evaluator import LoRAEvaluator

__all__ = ["LoRAEvaluator"]
