"""Seconds of an evaluation: answers beside generate() alone and padded, losses beside lm-evaluation-harness."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from recording import record

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")

NEW_TOKENS = 48
PADDED_BATCH = 16
CONTESTANTS = ("answers", "answers-padded", "answers-alone", "losses", "losses-lm-eval")


def prepare(home: Any, prompts: int, rows: int) -> dict[str, Any]:
    """What every contestant reads: questions as token ids, and held-out conversations as samples."""
    from loraloop.types import message

    dataset = home.data.build_dataset()
    length = home.settings.train.max_length
    splits = ("gate", "validation", "train")
    held = [s for split in splits for s in home.data.samples(dataset, home.template, split, length)]
    seen: dict[str, None] = {}
    for conversation in home.store.conversations.iterate(home.bot):
        seen.setdefault(next(m.text for m in conversation.messages if m.role == "user"))
    questions = list(seen)[:prompts]
    return {
        "folder": str(home.base.folder),
        "stop_ids": list(home.template.stop_ids),
        "questions": questions,
        "prompts": [home.template.prompt_ids([message("user", text)]) for text in questions],
        "held": [dict(sample) for sample in held[:rows]],
    }


def load(facts: dict[str, Any], rows: int) -> Any:
    """The base in the faster dtype here, with the threads that are fastest for so many rows at once."""
    import torch

    from loraloop.lm.loader import load_model
    from loraloop.lm.probe import DECODING_ROWS, available_cores, probe, race_threads

    choice = probe(DECODING_ROWS)
    model = load_model(Path(facts["folder"]), choice.dtype, choice.device)
    torch.set_num_threads(race_threads(model, rows) if rows else available_cores())
    return model


def answers(facts: dict[str, Any]) -> float:
    """Ours: all prompts in one call."""
    from loraloop.lm.decode import Decoding, generate

    model = load(facts, 64)
    start = time.perf_counter()
    generate(model, facts["prompts"], facts["stop_ids"], Decoding(NEW_TOKENS), batch_size=64)
    return time.perf_counter() - start


def answers_by_generate(facts: dict[str, Any], batch: int) -> float:
    """Transformers' generate() over prompts as they come, so many at once, padded on the left."""
    import torch

    model = load(facts, batch)
    prompts, pad = facts["prompts"], facts["stop_ids"][0]
    start = time.perf_counter()
    for begin in range(0, len(prompts), batch):
        part = prompts[begin : begin + batch]
        longest = max(map(len, part))
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in part], device=model.device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in part], device=model.device)
        with torch.inference_mode():
            model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False,
                           eos_token_id=facts["stop_ids"], pad_token_id=pad)  # fmt: skip
    return time.perf_counter() - start


def losses(facts: dict[str, Any]) -> tuple[float, list[float]]:
    """Ours: one packed pass."""
    from loraloop.lm.packed import PackedModel
    from loraloop.types import Sample

    model = load(facts, 0)
    rows = [Sample(**row) for row in facts["held"]]
    packed = PackedModel(model)
    start = time.perf_counter()
    found = packed.row_nll(rows)
    return time.perf_counter() - start, found


def losses_by_lm_eval(facts: dict[str, Any]) -> tuple[float, list[float]]:
    """lm-evaluation-harness's log-likelihoods of the same tokens, at its own best batch of those tried."""
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    model = load(facts, 0)
    requests = []
    for row in facts["held"]:
        begin = next(n for n, label in enumerate(row["labels"]) if label != -100)
        requests.append((("", ""), list(row["input_ids"][:begin]), list(row["input_ids"][begin:])))
    best: tuple[float, list[float]] = (float("inf"), [])
    tokenizer = AutoTokenizer.from_pretrained(facts["folder"])
    for batch in (1, 8, 32):
        harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch)
        start = time.perf_counter()
        found = harness._loglikelihood_tokens(requests, disable_tqdm=True)
        seconds = time.perf_counter() - start
        best = min(best, (seconds, [-value for value, _ in found]), key=lambda pair: pair[0])
    return best


def work(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Run one contestant; seconds, and nats in all where losses are measured."""
    if name.startswith("losses"):
        seconds, nats = losses(facts) if name == "losses" else losses_by_lm_eval(facts)
        return {"seconds": seconds, "nats": sum(nats)}
    if name == "answers":
        return {"seconds": answers(facts)}
    return {"seconds": answers_by_generate(facts, 1 if name == "answers-alone" else PADDED_BATCH)}


def compete(facts_file: Path, rounds: int) -> dict[str, Any]:
    """Every contestant in turn, each in a fresh process; median seconds and the ratio to ours of each round."""
    seen: list[dict[str, dict[str, Any]]] = []
    for number in range(rounds):
        found = {}
        for name in CONTESTANTS:
            out = subprocess.run(
                [sys.executable, __file__, "--worker", name, "--facts", str(facts_file)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if out.returncode:
                raise SystemExit(f"{name} failed:\n{out.stderr[-3000:]}")
            found[name] = json.loads(out.stdout.splitlines()[-1])
            print(f"round {number + 1}/{rounds} {name:15} {found[name]['seconds']:7.1f} s", flush=True)
        seen.append(found)
    result: dict[str, Any] = {}
    for name in CONTESTANTS:
        ours = name.split("-")[0]
        ratios = [one[name]["seconds"] / one[ours]["seconds"] for one in seen]
        result[name] = {
            "seconds": round(statistics.median(one[name]["seconds"] for one in seen), 2),
            "ratio": round(statistics.median(ratios), 2),
            **({"nats": round(seen[0][name]["nats"], 2)} if "nats" in seen[0][name] else {}),
        }
    return result


def whole(home: Any, facts: dict[str, Any]) -> dict[str, float]:
    """The evaluation as a turn makes it: a candidate beside live adapter and base, and again with their side known."""
    from loraloop.evaluate.evaluator import LoRAEvaluator
    from loraloop.evaluate.past import remembered
    from loraloop.evaluate.suites import parse_suite
    from loraloop.testing.wrappers import random_adapter
    from loraloop.types import Adapter, Sample, utc

    def adapter(name: str, seed: int) -> Adapter:
        folder = home.folder / name
        random_adapter(home.base.folder, folder, 0.01, seed=seed)
        return Adapter(f"ad-{name}", home.bot, name, "0" * 64, home.base.id, str(folder), utc("2026-01-01"))

    suite = parse_suite({"items": [{"prompt": text} for text in facts["questions"]]}, "questions")
    config = home.evaluator.config.model_copy(update={"max_new_tokens": NEW_TOKENS})
    held = [Sample(**row) for row in facts["held"]]
    live, candidates = adapter("live", 1), [adapter("first", 2), adapter("second", 3)]

    def timed(candidate: Adapter, *, known: bool) -> float:
        judge = LoRAEvaluator(
            home.base, config, suites=[suite], cache=home.folder / "bases", bot=home.bot,
            recall=(lambda: remembered(home.store.reports, home.bot)) if known else None,
        )  # fmt: skip
        start = time.perf_counter()
        home.store.reports.put(judge.evaluate(candidate, live=live, heldout=held))
        return time.perf_counter() - start

    first = timed(candidates[0], known=False)
    again = timed(candidates[1], known=True)
    print(f"whole evaluation of three: {first:.1f} s; with live adapter and base known {again:.1f} s", flush=True)
    return {"seconds": round(first, 1), "known_seconds": round(again, 1), "ratio": round(first / again, 2)}


def main() -> None:
    """Run the benchmark and print one JSON line at the end."""
    from loraloop.data.importers import ImportOptions, import_files
    from loraloop.wiring import init_home, open_home

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--prompts", type=int, default=200)
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--base", default="smollm2")
    options.add_argument("--worker", choices=CONTESTANTS)
    options.add_argument("--facts", type=Path)
    chosen = options.parse_args()
    if chosen.worker:
        print(json.dumps(work(chosen.worker, json.loads(chosen.facts.read_text()))))
        return
    with tempfile.TemporaryDirectory() as folder:
        init_home(Path(folder) / "home", base__model=chosen.base)
        with open_home(Path(folder) / "home") as home:
            importing = ImportOptions(bot=home.bot, secret=home.secret)
            import_files(["package:chatterbot-corpus/english"], "chatterbot", importing, home.store)
            facts = prepare(home, chosen.prompts, chosen.rows)
            path = Path(folder) / "facts.json"
            path.write_text(json.dumps(facts))
            result = {"prompts": len(facts["prompts"]), "rows": len(facts["held"]), "whole": whole(home, facts)}
            result |= compete(path, chosen.rounds)
    record("evaluate", result)


if __name__ == "__main__":
    main()
