"""Training speed beside TRL on the same rows, and what the adapter learns about questions it never saw."""

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

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TRACKIO_DISABLE="1", TOKENIZERS_PARALLELISM="false")

RANK, ALPHA, LEARNING_RATE, ROWS_PER_STEP, EPOCHS = 16, 32, 1e-3, 16, 1
PEERS = ("loraloop", "trl-best", "trl-default")
MOST_ROWS = {"trl-default": 8}
"""Rows of a contestant whose speed would take hours to measure on all; it learns from fewer, so its loss is higher."""
MOST_ROUNDS = {"trl-default": 1}
"""Rounds in which it takes part, for the same reason."""


def prepare(base: str, home: Path, rows: int, held: int) -> Path:
    """Write the tokenised rows every contestant reads: short real question-answer pairs, held-out ones apart."""
    from loraloop.data.importers import ImportOptions, import_files
    from loraloop.wiring import init_home, open_home

    language = "korean" if base == "gemma" else "english"
    init_home(home, base__model=base)
    with open_home(home) as opened:
        options = ImportOptions(bot=opened.bot, secret=opened.secret)
        import_files([f"package:chatterbot-corpus/{language}"], "chatterbot", options, opened.store)
        dataset = opened.data.build_dataset()
        split = {n: opened.data.samples(dataset, opened.template, n, 256) for n in ("train", "gate")}
        facts = {
            "folder": str(opened.base.folder),
            "train": [dict(s) for s in split["train"][:rows]],
            "held": [dict(s) for s in split["gate"][:held]],
        }
    path = home / "rows.json"
    path.write_text(json.dumps(facts))
    return path


def held_loss(model: Any, held: list[Any]) -> float:
    """Mean negative log-likelihood in nats per held-out answer token."""
    from loraloop.lm.packed import PackedModel

    tokens = sum(label != -100 for sample in held for label in sample.labels[1:])
    return sum(PackedModel(model).row_nll(held)) / tokens


def run_loraloop(facts: dict[str, Any]) -> dict[str, float]:
    """Our loop, as the training process runs it."""
    import torch

    from loraloop.lm.adapters import attach
    from loraloop.lm.fused import fuse_lora
    from loraloop.lm.loader import load_model
    from loraloop.lm.packed import PackedModel
    from loraloop.lm.probe import probe
    from loraloop.train.config import LoRATrainingConfig
    from loraloop.train.loop import TrainingLoop
    from loraloop.types import Sample

    config = LoRATrainingConfig(
        lora_r=RANK, lora_alpha=ALPHA, learning_rate=LEARNING_RATE, batch_size=ROWS_PER_STEP, epochs=EPOCHS,
        min_steps=1,
    )  # fmt: skip
    choice = probe(512)
    torch.manual_seed(0)
    model = attach(
        load_model(Path(facts["folder"]), choice.dtype, choice.device),
        rank=RANK, alpha=ALPHA, dropout=0.0, targets="all-linear",
    )  # fmt: skip
    fuse_lora(model)
    train, held = ([Sample(**row) for row in facts[name]] for name in ("train", "held"))
    with tempfile.TemporaryDirectory() as folder:
        loop = TrainingLoop(
            PackedModel(model), (train, []), config, folder=Path(folder), run_digest="", say=lambda *_, **__: None
        )
        measured = loop.run()
    return {"tokens_per_s": measured["tokens_per_s"], "held_loss": held_loss(model, held), "device": choice.device}


def run_trl(facts: dict[str, Any], *, best: bool) -> dict[str, float]:
    """TRL's SFTTrainer with PEFT: as it comes, or in the fastest settings known for this machine."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from loraloop.lm.probe import chosen_device, probe
    from loraloop.types import Sample

    on_cpu = chosen_device() == "cpu"

    class Stopwatch(TrainerCallback):
        seconds = 0.0
        _start = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self._start = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if not on_cpu:
                torch.cuda.synchronize()
            self.seconds += time.perf_counter() - self._start

    torch.manual_seed(0)
    rows = [{"input_ids": list(r["input_ids"]), "labels": list(r["labels"])} for r in facts["train"]]
    settings: dict[str, Any] = {"num_train_epochs": EPOCHS, "learning_rate": LEARNING_RATE, "report_to": []}
    settings |= {"save_strategy": "no", "disable_tqdm": True, "use_cpu": on_cpu, "logging_steps": 1000}
    if best:
        settings |= {"gradient_checkpointing": False, "packing": True, "max_length": 768 if on_cpu else 1024}
        settings |= {"per_device_train_batch_size": 1, "bf16": False, "dataloader_pin_memory": False}
    dtype: Any = "auto"
    if best:  # the faster one here: bfloat16 products are several times slower where the processor lacks them
        name = probe(512).dtype
        settings["bf16"] = name == "bfloat16"
        dtype = getattr(torch, name)
    with tempfile.TemporaryDirectory() as folder:
        stopwatch = Stopwatch()
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(facts["folder"], dtype=dtype),
            args=SFTConfig(output_dir=folder, **settings),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(facts["folder"]),
            peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[stopwatch],
        )
        trainer.train()
    tokens = EPOCHS * sum(len(row["input_ids"]) for row in rows)
    model = trainer.model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    held = [Sample(**row) for row in facts["held"]]
    return {"tokens_per_s": tokens / stopwatch.seconds, "held_loss": held_loss(model, held)}


def compare(rows: Path, pairs: int, peers: tuple[str, ...]) -> dict[str, Any]:
    """Run every contestant in turn, each in a fresh process, ``pairs`` times; medians and the ratios of each round."""
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(pairs):
        found = {}
        for peer in [one for one in peers if number < MOST_ROUNDS.get(one, pairs)]:
            out = subprocess.run(
                [sys.executable, __file__, "--worker", peer, "--rows-file", str(rows)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if out.returncode:
                raise SystemExit(f"{peer} failed:\n{out.stderr[-3000:]}")
            found[peer] = json.loads(out.stdout.splitlines()[-1])
            print(f"round {number + 1}/{pairs} {peer:12} {found[peer]['tokens_per_s']:7.0f} tokens/s, "
                  f"held-out loss {found[peer]['held_loss']:.3f}", flush=True)  # fmt: skip
        rounds.append(found)
    result: dict[str, Any] = {}
    for peer in peers:
        run = [r for r in rounds if peer in r]
        result[peer] = {k: statistics.median(r[peer][k] for r in run) for k in ("tokens_per_s", "held_loss")}
        ratios = [r["loraloop"]["tokens_per_s"] / r[peer]["tokens_per_s"] for r in run]
        result[peer]["ratio"] = statistics.median(ratios)
        result[peer]["ratios"] = [round(x, 2) for x in ratios]
    return result


def learnt(base: str, home: Path, seeds: int) -> list[dict[str, float]]:
    """Train as the demo does on all of the corpus, a seed at a time; loss on the gate split beside the base's."""
    from loraloop.cli.demo import SCRIPTS
    from loraloop.evaluate.evaluator import LoRAEvaluator
    from loraloop.train.core import LoRATrainerCore
    from loraloop.wiring import open_home

    found = []
    with open_home(home) as opened:
        dataset = opened.data.build_dataset()
        length = opened.settings.train.max_length
        train, validation, gate = (
            opened.data.samples(dataset, opened.template, split, length) for split in ("train", "validation", "gate")
        )
        for seed in range(seeds):
            config = opened.settings.train.model_copy(
                update={"seed": seed, "output_dir": str(opened.adapter_dir), "max_tokens": SCRIPTS[base].tokens}
            )
            trainer = LoRATrainerCore(base, config, artifacts=opened.artifacts, cache=opened.folder / "bases")
            result = trainer.train_lora_adapter(f"seed-{seed}", train, validation_data=validation)
            evaluator = LoRAEvaluator(base, suites=(), cache=opened.folder / "bases")
            report = evaluator.evaluate(result.adapter, heldout=gate)
            ours, before = report.score("candidate"), report.score("base")
            assert ours is not None
            assert before is not None
            assert ours.heldout_loss
            assert before.heldout_loss
            drop = 1 - ours.heldout_loss / before.heldout_loss
            print(f"{base} seed {seed}: held-out loss {before.heldout_loss:.3f} -> {ours.heldout_loss:.3f} "
                  f"({drop:.1%} lower, {len(gate)} rows, {len(train)} trained, "
                  f"{result.metrics['tokens_per_s']:.0f} tokens/s)", flush=True)  # fmt: skip
            found.append(
                {
                    "base_loss": before.heldout_loss,
                    "loss": ours.heldout_loss,
                    "drop_frac": drop,
                    "heldout_rows": len(gate),
                    "train_rows": len(train),
                    "tokens": result.metrics["tokens"],
                    "tokens_per_s": result.metrics["tokens_per_s"],
                }
            )
    return found


def main() -> None:
    """Run the benchmark and print one JSON line at the end."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--rows", type=int, default=64)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--bases", default="smollm2,gemma")
    options.add_argument("--worker", choices=PEERS)
    options.add_argument("--rows-file", type=Path)
    chosen = options.parse_args()
    if chosen.worker:
        facts = json.loads(chosen.rows_file.read_text())
        facts["train"] = facts["train"][: MOST_ROWS.get(chosen.worker)]
        found = run_loraloop(facts) if chosen.worker == "loraloop" else run_trl(facts, best=chosen.worker == "trl-best")
        print(json.dumps(found))
        return
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for base in chosen.bases.split(","):
            home = Path(folder) / base
            rows = prepare(base, home, chosen.rows, 60)
            pairs = chosen.pairs if base == "smollm2" else min(1, chosen.pairs)
            result[base] = {
                "speed": compare(rows, pairs, PEERS) if pairs else {},
                "learnt": learnt(base, home, chosen.seeds),
            }
    record("train", result)


if __name__ == "__main__":
    main()
