"""What an adapter's files give, computed apart from the engine: python -m loraloop.lm.proof_child."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..types import Sample, message
from .child import child_main


def expected_answers(spec: Mapping[str, Any]) -> dict[str, list[float]]:
    """Log-probabilities of fixed answers (nats a probe) as the gate scores: packed rows.

    Args:
        spec: ``base`` and ``adapter`` (folders), ``dtype`` and ``device`` (or ``"auto"``), ``probes`` (``messages`` and
            ``answer``).
    """
    from .adapters import adapted
    from .loader import load_model, load_tokenizer
    from .packed import PackedModel
    from .probe import DECODING_ROWS, probe
    from .template import Template

    base, adapter = Path(spec["base"]), Path(spec["adapter"])
    template = Template(load_tokenizer(base))
    samples = []
    for one in spec["probes"]:
        prompt = template.prompt_ids([message(m["role"], m["content"]) for m in one["messages"]])
        answer = template.text_ids(one["answer"])
        samples.append(Sample((*prompt, *answer), (*(-100,) * len(prompt), *answer)))
    choice = probe(DECODING_ROWS, dtype=spec["dtype"], device=spec["device"])
    model = load_model(base, choice.dtype, choice.device)
    packed = PackedModel(model)
    found = {"base": [-nll for nll in packed.row_nll(samples)]}
    with adapted(model, adapter):
        found["adapter"] = [-nll for nll in packed.row_nll(samples)]
    return found


def _work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    return dict(expected_answers(spec))


if __name__ == "__main__":
    child_main(_work)
