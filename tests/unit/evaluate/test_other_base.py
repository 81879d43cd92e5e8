"""A live adapter of another base is not asked on the candidate's."""

from pathlib import Path

import pytest

from loraloop.errors import WrongBase
from loraloop.evaluate.config import EvaluationConfig
from loraloop.evaluate.evaluator import LoRAEvaluator
from loraloop.types import Adapter, utc


def test_an_adapter_is_never_added_to_a_base_it_was_not_made_for(tmp_path: Path) -> None:
    """Two bases of one shape would answer, and say what neither would; it is refused before anything loads."""
    candidate, live = (
        Adapter(f"ad-{name}", "b", name, "0" * 64, f"base-{name}", str(tmp_path), utc("2026-01-01"))
        for name in ("new", "old")
    )
    with pytest.raises(WrongBase, match="base-old"):
        LoRAEvaluator("no-such-base", EvaluationConfig()).evaluate(candidate, live=live)
