"""The evaluation process: ``python -m loraloop.evaluate.child``, spoken to by ``asking.py`` only.

Losses come first, look by look; answers are asked for only of a candidate that is not surely worse by then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..lm.child import child_main
from ..types import Sample, message
from .looks import improvement, plan_from
from .notes import Notes

log = logging.getLogger(__name__)

CANDIDATE, BASE = "candidate", "base"
_PROBES_AT_ONCE = 64
PROBE_TOKENS = 24
"""Tokens of a probe's answer that are scored: once so many have come by themselves, the rest follows from them."""


@dataclass(frozen=True, slots=True)
class _Threads:
    """CPU threads of each kind of work: scoring rows, answering many prompts, answering one."""

    scoring: int
    many: int
    one: int


class _Progress:
    """Counts rows scored and prompts answered, and tells."""

    def __init__(self, say: Callable[..., None], total: int) -> None:
        self._say, self._total, self._done = say, total, 0

    def add(self, done: int) -> None:
        """So many more are done."""
        self._done += done
        self._say("progress", done=self._done, total=self._total)


class _Model:
    """The base, with at most one adapter as it will be served, which is left in where the next subject has it too."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._folder: str | None = None
        self._applied = ExitStack()

    def of(self, subject: Mapping[str, Any]) -> Any:
        """The model as this subject."""
        from ..lm.adapter_files import check_adapter
        from ..lm.adapters import adapted

        if subject["folder"] != self._folder:
            self.close()
            if subject["folder"]:
                check_adapter(Path(subject["folder"]))
                self._applied.enter_context(adapted(self.model, Path(subject["folder"])))
            self._folder = subject["folder"]
        return self.model

    def close(self) -> None:
        """Back to the base."""
        self._applied.close()
        self._folder = None


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Score and answer for each subject, with its adapter as it will be served."""
    from ..lm.loader import load_model
    from ..lm.probe import DECODING_ROWS, probe

    choice = probe(DECODING_ROWS, max_threads=spec.get("max_threads"), dtype=spec["dtype"], device=spec["device"])
    model = _Model(load_model(Path(spec["base"]), choice.dtype, choice.device))
    heldout = [Sample(**row) for row in spec["heldout"]]
    threads = _threads(model.model, min(spec["batch_size"], max(1, len(spec["prompts"]))), spec)
    say("ready", dtype=choice.dtype, device=choice.device, threads=threads.many)
    subjects = spec["subjects"]
    wanted = sum(len(heldout) + len(spec["prompts"]) - len(s["known"]) - len(s["nats"]) for s in subjects)
    wanted += len(spec["probes"]) // 2  # more only where a phrase takes over
    progress = _Progress(say, wanted)
    notes = Notes(Path(spec["notes"]) if spec["notes"] else None)
    try:
        nats, verdict = _losses(model, subjects, heldout, spec, (threads.scoring, progress, notes))
        answers: dict[str, dict[str, Any]]
        if verdict == "worse":
            answers = {s["name"]: {"answers": [], "cut_off": [], "latencies_s": []} for s in subjects}
            probes: dict[str, list[float | None]] = {}
        else:
            probes = _probes(model, subjects, spec, (threads.scoring, progress))
            answers = _answers(model, subjects, spec, (threads, progress, notes))
        model.close()
    finally:
        notes.close()
    said = {s["name"]: {**answers[s["name"]], "row_nll": nats[s["name"]]} for s in subjects}
    return {"verdict": verdict, "subjects": said, "probes": probes}


def _threads(model: Any, rows: int, spec: Mapping[str, Any]) -> _Threads:
    from ..lm.prepacked import prepack_linears
    from ..lm.probe import available_cores, race_threads

    prepack_linears(model)
    if fixed := spec["threads"]:
        return _Threads(fixed, fixed, fixed)
    most = spec.get("max_threads")
    cores = min(available_cores(), most or available_cores())
    return _Threads(cores, race_threads(model, rows, most), race_threads(model, 1, most))


def _losses(
    model: _Model,
    subjects: Sequence[Mapping[str, Any]],
    heldout: Sequence[Sample],
    spec: Mapping[str, Any],
    tools: tuple[int, _Progress, Notes],
) -> tuple[dict[str, list[float]], str]:
    """Nats of each row by each subject, as far as the looks went, and what the last look said."""
    import torch

    from ..lm.packed import PackedModel

    nats: dict[str, list[float]] = {subject["name"]: [] for subject in subjects}
    if not heldout:
        return nats, ""
    threads, progress, notes = tools
    torch.set_num_threads(threads)
    before = model.model.config._attn_implementation
    packed = PackedModel(model.model)
    plan = plan_from(spec["looks"])
    tokens = [sum(label != -100 for label in row.labels[1:]) for row in heldout]
    clusters = [row.conversation_id or str(n) for n, row in enumerate(heldout)]
    baseline = _baseline(subjects)
    verdict = ""
    for look, end in enumerate(plan.ends if plan else (len(heldout),)):
        for subject in reversed(subjects):  # the candidate last; where the others are known it stays
            begin = len(nats[subject["name"]])
            unknown = [n for n in range(begin, end) if str(n) not in subject["nats"]]
            found = dict(subject["nats"])
            if unknown:
                model.of(subject)
                for n, value in zip(unknown, packed.row_nll([heldout[n] for n in unknown]), strict=True):
                    found[str(n)] = value
                    notes.loss(subject["scored"][n] if subject["scored"] else "", value)
                progress.add(len(unknown))
            nats[subject["name"]] += [found[str(n)] for n in range(begin, end)]
        if plan is not None:
            verdict = plan.verdict(look, improvement(nats[CANDIDATE], nats[baseline], tokens, clusters))
            if verdict:
                break
    model.model.set_attn_implementation(before)  # generation needs the model's own attention
    return nats, verdict


def _probes(
    model: _Model, subjects: Sequence[Mapping[str, Any]], spec: Mapping[str, Any], tools: tuple[int, _Progress]
) -> dict[str, list[float | None]]:
    """Nats per token of the beginning of each probe's answer, by candidate and base.

    Probes come in pairs, with a phrase and without. The candidate is asked with it; only where the answer then comes by
    itself is the rest of interest, and scored. ``None`` stands for what was not.
    """
    import torch

    from ..lm.loader import load_tokenizer
    from ..lm.packed import PackedModel
    from ..lm.template import Template

    by_name = {subject["name"]: subject for subject in subjects}
    if not spec["probes"]:
        return {}
    template = Template(load_tokenizer(Path(spec["base"])), spec["system_prompt"])
    samples = []
    for turns, answer in spec["probes"]:
        prompt = template.prompt_ids([message(role, text) for role, text in turns])
        ids = template.answer_ids(answer)[:PROBE_TOKENS]
        samples.append(Sample((*prompt, *ids), (*(-100,) * len(prompt), *ids)))
    threads, progress = tools
    torch.set_num_threads(threads)
    before = model.model.config._attn_implementation
    packed = PackedModel(model.model)
    found: dict[str, list[float | None]] = {name: [None] * len(samples) for name in (CANDIDATE, BASE)}

    def score(name: str, places: Sequence[int]) -> None:
        model.of(by_name[name])
        for begin in range(0, len(places), _PROBES_AT_ONCE):
            part = places[begin : begin + _PROBES_AT_ONCE]
            for place, nats in zip(part, packed.row_nll([samples[n] for n in part]), strict=True):
                found[name][place] = nats / sum(label != -100 for label in samples[place].labels)
            progress.add(len(part))

    score(CANDIDATE, range(0, len(samples), 2))
    taken = [n for n in range(0, len(samples), 2) if (found[CANDIDATE][n] or 0.0) < spec["takeover_nats"]]
    if taken:
        score(CANDIDATE, [n + 1 for n in taken])
        score(BASE, [place for n in taken for place in (n, n + 1)])
    model.model.set_attn_implementation(before)
    return found


def _baseline(subjects: Sequence[Mapping[str, Any]]) -> str:
    """Whom the gate compares the candidate with: the live adapter, or the base where none is live."""
    return next((subject["name"] for subject in subjects if subject["name"] != CANDIDATE), CANDIDATE)


def _answers(
    model: _Model,
    subjects: Sequence[Mapping[str, Any]],
    spec: Mapping[str, Any],
    tools: tuple[_Threads, _Progress, Notes],
) -> dict[str, dict[str, Any]]:
    import torch

    from ..lm.decode import Decoding, generate, timed_answer
    from ..lm.loader import load_tokenizer
    from ..lm.template import Template

    threads, progress, notes = tools
    template = Template(load_tokenizer(Path(spec["base"])), spec["system_prompt"])
    prompts = [template.prompt_ids([message(role, text) for role, text in turns]) for turns in spec["prompts"]]
    decoding = Decoding(**spec["decoding"])
    found = {}
    for subject in subjects:
        given = {int(n): (text, cut_off) for n, text, cut_off in subject["known"]}
        wanted = [n for n in range(len(prompts)) if n not in given]
        asked = subject["asked"]

        def heard(
            place: int, ids: Sequence[int], *, wanted: Any = wanted, given: Any = given, asked: Any = asked
        ) -> None:
            number = wanted[place]
            given[number] = (template.answer_text(ids), len(ids) >= decoding.max_new_tokens)
            notes.answer(asked[number] if asked else "", *given[number])
            progress.add(1)

        torch.set_num_threads(threads.many)
        generate(
            model.of(subject),
            [prompts[n] for n in wanted],
            template.stop_ids,
            decoding,
            batch_size=spec["batch_size"],
            on_answer=heard,
        )
        torch.set_num_threads(threads.one)
        timed = [
            timed_answer(model.of(subject), prompt, template.stop_ids, decoding)[1]
            for prompt in prompts[: spec["latency_items"] if subject["name"] in (CANDIDATE, _baseline(subjects)) else 0]
        ]
        found[subject["name"]] = {
            "answers": [given[n][0] for n in range(len(prompts))],
            "cut_off": [given[n][1] for n in range(len(prompts))],
            "latencies_s": timed,
        }
    return found


if __name__ == "__main__":
    child_main(work)
