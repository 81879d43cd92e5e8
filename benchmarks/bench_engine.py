"""Embedded throughput: sixteen at once beside one at a time; two adapters, split 90/10, beside PEFT's adapter_names."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recording import record

TOGETHER = 16
QUESTIONS = (
    "What is a good name for a cat?", "How do I boil an egg?", "Tell me about the moon.", "Why is the sky blue?",
    "What should I eat for lunch?", "Can you tell me a joke?", "How far away is the sun?", "Which book do you like?",
)  # fmt: skip


def split(count: int) -> list[str]:
    """Whose each request is: nine of ten the first adapter's, spread evenly."""
    return ["ll-1" if n % 10 == 9 else "ll-0" for n in range(count)]


def make_adapters(base: Path, folder: Path, count: int, rank: int = 16) -> list[Path]:
    """Adapters of every linear layer with small random weights: answers stay words, and differ."""
    import torch

    from loraloop.lm.adapters import attach
    from loraloop.lm.loader import load_model
    from loraloop.train.child import write_adapter

    made = []
    for number in range(count):
        torch.manual_seed(number)
        model = attach(load_model(base, "float32"), rank=rank, alpha=2 * rank, dropout=0.0, targets="all-linear")
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.02)
        made.append(folder / f"adapter-{number}")
        write_adapter(model, made[-1], base_name="bench")
    return made


async def run_ours(base: Path, adapters: Sequence[Path], count: int, tokens: int) -> dict[str, Any]:
    """Tokens/s of the embedded engine: alone, sixteen at once, and sixteen at once over two adapters."""
    from loraloop.serve.embedded import EmbeddedEngine
    from loraloop.serve.engine import Ask

    engine = EmbeddedEngine(base, log_path=base.parent / "engine.log")
    await engine.start()
    try:
        for number, adapter in enumerate(adapters):
            await engine.load(f"ll-{number}", adapter)

        async def answered(number: int, version: str) -> int:
            ask = Ask(version, ({"role": "user", "content": QUESTIONS[number % len(QUESTIONS)]},), max_tokens=tokens)
            return [piece async for piece in engine.stream(ask)][-1].completion_tokens

        async def tokens_per_s(versions: Sequence[str], at_once: int) -> float:
            gate, start = asyncio.Semaphore(at_once), time.perf_counter()

            async def one(number: int, version: str) -> int:
                async with gate:
                    return await answered(number, version)

            done = await asyncio.gather(*(one(n, v) for n, v in enumerate(versions)))
            return sum(done) / (time.perf_counter() - start)

        await answered(0, "ll-0")
        return {
            **engine.facts,
            "alone": await tokens_per_s(["ll-0"] * max(4, count // TOGETHER), 1),
            "together": await tokens_per_s(["ll-0"] * count, TOGETHER),
            "mixed": await tokens_per_s(split(count), TOGETHER),
        }
    finally:
        await engine.close()


def run_peft(base: Path, adapters: Sequence[Path], count: int, tokens: int, dtype: str) -> dict[str, Any]:
    """Tokens/s of generate() over padded batches of sixteen with ``adapter_names``, at its fastest thread count."""
    import torch
    from peft import PeftModel

    from loraloop.lm.decode import _contiguous_head_input
    from loraloop.lm.loader import load_model, load_tokenizer
    from loraloop.lm.probe import chosen_device, race_threads
    from loraloop.lm.template import Template
    from loraloop.types import message

    template = Template(load_tokenizer(base))
    plain = load_model(base, dtype, chosen_device())
    threads = race_threads(plain, TOGETHER)
    model = PeftModel.from_pretrained(plain, str(adapters[0]), adapter_name="ll-0").eval()
    model.load_adapter(str(adapters[1]), adapter_name="ll-1")
    prompts = [template.prompt_ids([message("user", QUESTIONS[n % len(QUESTIONS)])]) for n in range(count)]
    made, start = 0, time.perf_counter()
    rows = list(zip(prompts, split(count), strict=True))
    for batch in (rows[n : n + TOGETHER] for n in range(0, count, TOGETHER)):
        longest = max(len(ids) for ids, _ in batch)
        pad = template.stop_ids[0]
        ids_BL = torch.tensor([[pad] * (longest - len(ids)) + ids for ids, _ in batch], device=plain.device)
        mask_BL = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids, _ in batch], device=plain.device)
        with torch.inference_mode(), _contiguous_head_input(plain):
            out = model.generate(
                input_ids=ids_BL, attention_mask=mask_BL, max_new_tokens=tokens, do_sample=False,
                eos_token_id=list(template.stop_ids), pad_token_id=pad, adapter_names=[v for _, v in batch],
            )  # fmt: skip
        for row in out[:, longest:].tolist():
            made += next((n for n, token in enumerate(row) if token in template.stop_ids), len(row))
    return {"mixed": made / (time.perf_counter() - start), "threads": threads}


def contest(base: Path, rounds: int, count: int, tokens: int) -> dict[str, Any]:
    """Both in turn, each in a fresh process, several times; medians and the ratio of every round."""
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peft": []}
    with tempfile.TemporaryDirectory() as folder:
        adapters = make_adapters(base, Path(folder), 2)
        for number in range(rounds):
            dtype = "auto"
            for who in ("ours", "peft"):
                spec = {"who": who, "base": str(base), "adapters": list(map(str, adapters)), "count": count,
                        "tokens": tokens, "dtype": dtype}  # fmt: skip
                out = subprocess.run(
                    [sys.executable, __file__, "--worker", json.dumps(spec)],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if out.returncode:
                    raise SystemExit(f"{who} failed:\n{out.stderr[-3000:]}")
                found[who].append(json.loads(out.stdout.splitlines()[-1]))
                dtype = found["ours"][-1]["dtype"]
                shown = ", ".join(f"{k} {v:.1f}" for k, v in found[who][-1].items() if isinstance(v, float))
                print(f"round {number + 1}/{rounds} {who}: {shown} tokens/s", flush=True)
    at_once = [one["together"] / one["alone"] for one in found["ours"]]
    beside = [ours["mixed"] / peft["mixed"] for ours, peft in zip(found["ours"], found["peft"], strict=True)]
    return {
        "rounds": found, "answers": count, "tokens_an_answer": tokens,
        "together_over_alone": statistics.median(at_once), "mixed_over_peft": statistics.median(beside),
        "required": {"together_over_alone": 5.0, "mixed_over_peft": 1.8},
    }  # fmt: skip


def main() -> None:
    """Run the benchmark and print one JSON line at the end."""
    from loraloop.lm.bases import find_base

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--base", default="smollm2")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--answers", type=int, default=192, help="of few, most time goes by while the last ones end")
    options.add_argument("--tokens", type=int, default=64)
    options.add_argument("--quick", action="store_true", help="one round on a tiny model: that it runs, not how fast")
    options.add_argument("--worker")
    chosen = options.parse_args()
    if chosen.worker:
        spec = json.loads(chosen.worker)
        base, adapters = Path(spec["base"]), [Path(path) for path in spec["adapters"]]
        if spec["who"] == "ours":
            print(json.dumps(asyncio.run(run_ours(base, adapters, spec["count"], spec["tokens"]))))
        else:
            print(json.dumps(run_peft(base, adapters, spec["count"], spec["tokens"], spec["dtype"])))
        return
    with tempfile.TemporaryDirectory() as folder:
        if chosen.quick:
            from loraloop.testing.tiny import tiny_base

            result = contest(tiny_base(Path(folder) / "tiny"), 1, 32, 16)
        else:
            base = find_base(chosen.base, Path(folder) / "bases").folder
            result = contest(base, chosen.rounds, chosen.answers, chosen.tokens)
    record("engine", result)


if __name__ == "__main__":
    main()
