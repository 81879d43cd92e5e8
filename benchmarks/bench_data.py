"""The data pipeline on 100,000 conversations: near-duplicates beside rensa and datasketch, all of it beside TRL's.

Times are CPU seconds of the process that did the work, so that whatever else the machine does cannot change them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from recording import record

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")

BOT, SECRET, MAX_LENGTH = "default", b"k" * 32, 512
NEEDED = {"times datasketch": 25, "of rensa's speed": 0.5, "times TRL": 5, "1 % more costs, of the whole": 0.02}
LIKENESS = 0.7
_KOREAN = [
    "오늘", "저녁", "밥", "먹었어", "학교", "친구", "놀이터", "엄마", "아빠", "라면", "떡볶이",
    "김밥", "재미있는", "숙제", "게임", "공부", "우리", "같이", "맛있는", "어제", "내일", "정말",
    "좋아요", "그래서", "무엇을", "하고", "싶어요", "날씨가", "추워서", "집에", "강아지", "고양이",
    "바다", "여름", "겨울", "노래", "축구", "구름", "별이", "책을", "읽고", "생각해",
]  # fmt: skip
_ENGLISH = [
    "what", "is", "the", "best", "food", "to", "eat", "today", "because", "people", "like",
    "pizza", "and", "friends", "want", "noodles", "at", "school", "after", "homework", "can",
    "tell", "something", "fun", "about", "animals", "winter", "summer", "music", "river", "stone",
    "clouds", "stars", "books", "think", "read", "play", "garden",
]  # fmt: skip


def pair(number: int) -> tuple[str, str]:
    """Question and answer of a conversation; every tenth says nearly what the one before it said."""
    drawn = random.Random(number - (number % 10 == 9))
    words = _KOREAN if drawn.random() < 0.5 else _ENGLISH
    question, answer = drawn.choices(words, k=9), drawn.choices(words, k=16)
    if number % 10 == 9:
        answer[7] = words[number % len(words)]
    return " ".join(question) + "?", " ".join(answer) + "."


def write_rows(path: Path, begin: int, end: int) -> None:
    """Write conversations as JSONL, five a user."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(begin, end):
            question, answer = pair(number)
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": turns, "user": f"u{number // 5}"}, ensure_ascii=False) + "\n")


def template(base: str) -> Any:
    """The chat template of a base's tokenizer."""
    from loraloop.lm.loader import load_tokenizer
    from loraloop.lm.template import Template

    return Template(load_tokenizer(Path(base)))


def pipeline(folder: Path, rows: int, base: str) -> Iterator[tuple[str, float]]:
    """Import, dataset and samples of ``rows`` conversations, then 1 % more; yields what each took, in seconds."""
    from loraloop.data.formats import ImportOptions
    from loraloop.data.importers import import_files
    from loraloop.data.manager import LoRADataManager
    from loraloop.store.sql import open_store

    shaped = template(base)
    store = open_store(folder / "x.db", keys=lambda: [SECRET])
    options = ImportOptions(bot=BOT, consent="granted", approved_by="review", secret=SECRET)
    manager = LoRADataManager(store=store, bot=BOT, secret=SECRET)
    for name, begin, end in (("whole", 0, rows), ("1 % more", rows, rows + rows // 100)):
        write_rows(folder / "rows.jsonl", begin, end)
        at = time.process_time()
        import_files([folder / "rows.jsonl"], "auto", options, store)
        yield f"{name}: import", time.process_time() - at
        at = time.process_time()
        dataset = manager.build_dataset()
        yield f"{name}: dataset", time.process_time() - at
        at = time.process_time()
        for split in ("train", "validation", "gate"):
            manager.samples(dataset, shaped, split, MAX_LENGTH)
        yield f"{name}: samples", time.process_time() - at
        yield f"{name}: peak MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.close()


def judged(folder: Path, rows: int) -> Iterator[tuple[str, float]]:
    """Datasets of ``rows`` chats that their users gave a thumb, then of 1 % more; yields what each took, in seconds."""
    from loraloop.data.manager import LoRADataManager
    from loraloop.store.sql import open_store
    from loraloop.types import Conversation, Feedback, message

    begun = datetime(2026, 1, 1, tzinfo=UTC)
    store = open_store(folder / "x.db", keys=lambda: [SECRET])
    manager = LoRADataManager(store=store, bot=BOT, secret=SECRET)
    for name, begin, end in (("whole", 0, rows), ("1 % more", rows, rows + rows // 100)):
        for number in range(begin, end):
            question, answer = pair(number)
            user, said_at = f"u{number // 5}", begun + timedelta(minutes=number)
            thumb = Feedback(1, "thumb_up", actor=user, created_at=said_at + timedelta(seconds=30))
            said = (message("user", question), message("assistant", answer))
            store.conversations.add([
                Conversation(f"cv-{number:016x}", BOT, said, said_at, "chat", "granted", user=user, feedback=(thumb,))
            ])  # fmt: skip
        at = time.process_time()
        manager.build_dataset()
        yield f"{name}: dataset", time.process_time() - at
        yield f"{name}: peak MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.close()


def by_trl(rows: int, base: str) -> float:
    """Seconds of TRL's preparation (chat template, tokens, labels, packing) of ``rows`` conversations."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from loraloop.lm.loader import load_model

    tokenizer = AutoTokenizer.from_pretrained(base)
    said = [pair(number) for number in range(rows)]
    data = Dataset.from_list([
        {"prompt": [{"role": "user", "content": q}], "completion": [{"role": "assistant", "content": a}]}
        for q, a in said
    ])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(output_dir=folder, max_length=MAX_LENGTH, packing=True, report_to=[], use_cpu=True)
        trainer = SFTTrainer(
            load_model(Path(base)), args=config, train_dataset=data.select(range(32)), processing_class=tokenizer
        )
        at = time.process_time()
        trainer._prepare_dataset(data, tokenizer, config, True, None, "train")
        return time.process_time() - at


def in_memory(texts: list[str]) -> list[int]:
    """The cluster of each text, as ``NearRows`` finds it, of which nothing is kept; so do the peers."""
    from loraloop.text.clusters import joined, proposed
    from loraloop.text.sketches import alike, bands, sketches_of

    sketch_TP = sketches_of(texts)
    pairs = proposed(bands(sketch_TP), 0)
    kept = pairs[alike(sketch_TP, sketch_TP, pairs, LIKENESS)]
    return joined([], kept.tolist(), len(texts), 0)


def near_duplicates(rows: int) -> dict[str, float]:
    """Rows a second of a near-duplicate pass: ours, the same with its store, bare rensa, datasketch, all from text."""
    from datasketch import MinHash, MinHashLSH
    from rensa import RMinHash, RMinHashLSH

    from loraloop.data.formats import ImportOptions, from_jsonl
    from loraloop.data.near_rows import NearRows
    from loraloop.store.sql import open_store
    from loraloop.text.dedupe import compact, shingles
    from loraloop.text.sketches import BANDS, PERMUTATIONS, SHINGLE_CHARS

    texts = ["\n".join(pair(number)) for number in range(rows)]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "x.db")
        ids = []
        for number in range(rows):
            turns = [{"role": "user", "content": f"{number}"}, {"role": "assistant", "content": "x"}]
            ids.append(from_jsonl({"messages": turns}, ImportOptions()))
        for begin in range(0, rows, 5000):
            store.conversations.add([one for some in ids[begin : begin + 5000] for one in some])
        at = time.process_time()
        near = NearRows(store.signatures, BOT, LIKENESS)
        for (one,), text in zip(ids, texts, strict=True):
            near.take(one.id, 1, one.id, text)
        clusters = {cluster for _, _, cluster in near.clusters(one.id for (one,) in ids)}
        found["loraloop"] = rows / (time.process_time() - at)
        found["loraloop clusters"] = len(clusters)
        store.close()
    at = time.process_time()
    grouped = in_memory(texts)
    found["loraloop in memory"] = rows / (time.process_time() - at)
    found["loraloop in memory clusters"] = len(set(grouped))
    at = time.process_time()
    index = RMinHashLSH(LIKENESS, PERMUTATIONS, BANDS)
    for number, text in enumerate(texts):
        sketch = RMinHash(PERMUTATIONS, 42)
        sketch.update(list(shingles(compact(text), SHINGLE_CHARS)))
        index.query(sketch)
        index.insert(number, sketch)
    found["rensa"] = rows / (time.process_time() - at)
    at = time.process_time()
    peer = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, PERMUTATIONS // BANDS))
    for number, text in enumerate(texts):
        drawn = MinHash(PERMUTATIONS)
        drawn.update_batch([piece.encode() for piece in shingles(compact(text), SHINGLE_CHARS)])
        peer.query(drawn)
        peer.insert(number, drawn)
    found["datasketch"] = rows / (time.process_time() - at)
    return found


def alone(part: str, rows: int, base: str) -> Any:
    """Run one part in a process of its own, so that its memory and its caches are its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", part, "--rows", str(rows), "--base", base],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run every part and keep what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peer-rows", type=int, default=5_000, help="rows of TRL, whose time grows evenly with them")
    parser.add_argument("--base", default="", help="folder of a base with a chat template; the shipped one if left out")
    parser.add_argument("--part", choices=["pipeline", "judged", "trl", "near"], default="")
    given = parser.parse_args()
    base = given.base
    if not base:
        from loraloop.lm.bases import find_base

        base = str(find_base("smollm2", Path(tempfile.gettempdir()) / "loraloop-bench-bases").folder)
    if given.part == "trl":
        print(json.dumps(by_trl(given.rows, base)))
        return
    if given.part == "near":
        print(json.dumps(near_duplicates(given.rows)))
        return
    if given.part:
        with tempfile.TemporaryDirectory() as folder:
            at = Path(folder)
            found = judged(at, given.rows) if given.part == "judged" else pipeline(at, given.rows, base)
            print(json.dumps(dict(found)))
        return
    near = alone("near", given.rows, base)
    sizes = (given.rows // 4, given.rows // 2, given.rows)
    ours = {rows: alone("pipeline", rows, base) for rows in sizes}
    by_thumbs = alone("judged", given.rows // 5, base)
    trl_s = alone("trl", given.peer_rows, base) * given.rows / given.peer_rows
    spent = {
        name: sum(s for key, s in ours[given.rows].items() if key.startswith(name) and "MiB" not in key)
        for name in ("whole", "1 % more")
    }
    ratios = {
        "times datasketch": near["loraloop in memory"] / near["datasketch"],
        "of rensa's speed": near["loraloop in memory"] / near["rensa"],
        "times datasketch, with the store": near["loraloop"] / near["datasketch"],
        "of rensa's speed, with the store": near["loraloop"] / near["rensa"],
        "times TRL": trl_s / spent["whole"],
        "1 % more costs, of the whole": spent["1 % more"] / spent["whole"],
        "peak memory, whole to a quarter": ours[sizes[2]]["whole: peak MiB"] / ours[sizes[0]]["whole: peak MiB"],
    }
    record("data", {
        "rows": given.rows, "near rows a second": near, "seconds and MiB": ours,
        "judged rows": given.rows // 5, "judged, seconds and MiB": by_thumbs, "TRL's seconds, scaled": trl_s,
        "peer rows": given.peer_rows, "ratios": ratios, "needed": NEEDED,
    })  # fmt: skip


if __name__ == "__main__":
    main()
