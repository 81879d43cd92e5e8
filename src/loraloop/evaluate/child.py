"""The evaluation process: ``python -m loraloop.evaluate.child``, spoken to by ``asking.py`` only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..lm.child import child_main
from ..types import Sample, message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    """What every subject is asked: the same prompts, the same rows."""

    model: Any
    template: Any
    prompts: Sequence[Sequence[int]]
    heldout: Sequence[Sample]
    decoding: Any
    batch_size: int
    latency_items: int
    threads: _Threads


@dataclass(frozen=True, slots=True)
class _Threads:
    """CPU threads of each kind of work: scoring rows, answering many prompts, answering one."""

    scoring: int
    many: int
    one: int


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Answer for each subject in turn, with its adapter merged as it will be served."""
    from ..lm.adapters import check_adapter, merged
    from ..lm.decode import Decoding
    from ..lm.loader import load_model, load_tokenizer
    from ..lm.probe import DECODING_ROWS, probe
    from ..lm.template import Template

    choice = probe(DECODING_ROWS, max_threads=spec.get("max_threads"), dtype=spec["dtype"])
    folder = Path(spec["base"])
    template = Template(load_tokenizer(folder), spec["system_prompt"])
    model = load_model(folder, choice.dtype)
    prompts = [template.prompt_ids([message(role, text) for role, text in turns]) for turns in spec["prompts"]]
    asked = _Asked(
        model=model,
        template=template,
        prompts=prompts,
        heldout=[Sample(**row) for row in spec["heldout"]],
        decoding=Decoding(**spec["decoding"]),
        batch_size=spec["batch_size"],
        latency_items=spec["latency_items"],
        threads=_threads(model, min(spec["batch_size"], max(1, len(prompts))), spec),
    )
    say("ready", dtype=choice.dtype, threads=asked.threads.many)
    found: dict[str, Any] = {}
    total = sum(len(prompts) - len(subject["known"]) for subject in spec["subjects"])
    begun = 0
    for subject in spec["subjects"]:
        adapter = Path(subject["folder"]) if subject["folder"] else None
        if adapter is not None:
            check_adapter(adapter)
        known = {number: (text, cut_off) for number, text, cut_off in subject["known"]}
        with merged(asked.model, adapter):
            found[subject["name"]] = _subject(asked, known, partial(_tell, say, begun, total))
        begun += len(prompts) - len(known)
    return found


def _threads(model: Any, rows: int, spec: Mapping[str, Any]) -> _Threads:
    from ..lm.probe import available_cores, race_threads

    if fixed := spec["threads"]:
        return _Threads(fixed, fixed, fixed)
    most = spec.get("max_threads")
    cores = min(available_cores(), most or available_cores())
    return _Threads(cores, race_threads(model, rows, most), race_threads(model, 1, most))


def _subject(
    asked: _Asked, known: Mapping[int, tuple[str, bool]], on_batch: Callable[[int], None]
) -> Mapping[str, Any]:
    import torch

    from ..lm.decode import generate, timed_answer

    torch.set_num_threads(asked.threads.scoring)
    nll = _heldout_nll(asked)
    torch.set_num_threads(asked.threads.many)
    wanted = [number for number in range(len(asked.prompts)) if number not in known]
    ids = generate(
        asked.model,
        [asked.prompts[number] for number in wanted],
        asked.template.stop_ids,
        asked.decoding,
        batch_size=asked.batch_size,
        on_batch=on_batch,
    )
    torch.set_num_threads(asked.threads.one)
    timed = [
        timed_answer(asked.model, prompt, asked.template.stop_ids, asked.decoding)[1]
        for prompt in asked.prompts[: asked.latency_items]
    ]
    given = {
        number: (asked.template.answer_text(row), len(row) >= asked.decoding.max_new_tokens)
        for number, row in zip(wanted, ids, strict=True)
    }
    answers = [given[number] if number in given else known[number] for number in range(len(asked.prompts))]
    return {
        "answers": [text for text, _ in answers],
        "cut_off": [cut_off for _, cut_off in answers],
        "latencies_s": timed,
        "row_nll": nll,
    }


def _heldout_nll(asked: _Asked) -> list[float]:
    from ..lm.packed import PackedModel

    if not asked.heldout:
        return []
    before = asked.model.config._attn_implementation
    try:
        return PackedModel(asked.model).row_nll(asked.heldout)
    finally:
        asked.model.set_attn_implementation(before)  # generation needs the model's own attention


def _tell(say: Callable[..., None], begun: int, total: int, done: int) -> None:
    say("progress", done=begun + done, total=total)


if __name__ == "__main__":
    child_main(work)
