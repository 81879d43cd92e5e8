"""Continuous batching: everybody's answer is the one they get alone, whoever comes and goes beside them."""

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from loraloop.lm.adapters import adapted
from loraloop.lm.batching import BUSY_PROMPT_TOKENS, BUSY_SCORED_TOKENS, Batcher, Request, Said
from loraloop.lm.decode import Decoding, generate
from loraloop.lm.drawing import Draw
from loraloop.lm.loader import load_model, load_tokenizer
from loraloop.lm.packed import PackedModel
from loraloop.lm.ragged import serve_with_ragged_attention
from loraloop.lm.template import Template
from loraloop.lm.text_stream import TextStream
from loraloop.lm.weights import Weights, read_version
from loraloop.testing.wrappers import random_adapter
from loraloop.types import Sample

pytestmark = pytest.mark.slow

PROMPTS = [tuple(5 + (7 * n + 3 * k) % 250 for k in range(2 + 13 * n % 90)) for n in range(9)]
STOP = (1,)


@pytest.fixture(scope="module")
def adapters(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters that change the tiny model's answers."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("adapters")
    return {f"ll-{n}": random_adapter(tiny_base, folder / str(n), seed=n) for n in (3, 4)}


@pytest.fixture
def weights(tiny_base: Path, adapters: dict[str, Path]) -> Weights:
    """The tiny base and both adapters, float32."""
    model = load_model(tiny_base, "float32")
    assert serve_with_ragged_attention(model)
    found = Weights(model)
    for name, folder in adapters.items():
        list(found.adding(name, read_version(folder)))
    return found


def request(number: int, version: str, prompt: tuple[int, ...], **how: Any) -> Request:
    """A request of 12 tokens, greedy unless told otherwise."""
    facts = {"max_tokens": 12, "temperature": 0.0, "top_p": 1.0, "seed": 0, "penalty": 1.0, **how}
    draw = Draw(facts["temperature"], facts["top_p"], facts["penalty"], torch.Generator().manual_seed(facts["seed"]))
    return Request(number, version, prompt, facts["max_tokens"], draw)


def run(batcher: Batcher, requests: Iterator[Request] | list[Request], every: int = 1) -> dict[int, list[Said]]:
    """Submit one request every few steps (0: all at once) and step to the end; everything said by request."""
    said: dict[int, list[Said]] = {}
    left = list(requests)
    while left and not every:
        batcher.submit(left.pop(0))
    for number in range(10_000):
        if left and number % every == 0:
            batcher.submit(left.pop(0))
        for one in batcher.step():
            said.setdefault(one.id, []).append(one)
        if not left and batcher.load == (0, 0):
            return said
    raise AssertionError("it never ended")


def alone(tiny_base: Path, adapter: Path | None, prompt: tuple[int, ...], penalty: float = 1.0) -> list[int]:
    """What the evaluation's decoding says to one prompt."""
    with adapted(load_model(tiny_base, "float32"), adapter) as model:
        return generate(model, [prompt], STOP, Decoding(max_new_tokens=12, repetition_penalty=penalty))[0]


def text_of(said: list[Said]) -> str:
    """An answer's text."""
    return "".join(one.text for one in said)


@pytest.fixture(scope="module")
def lonely(tiny_base: Path, adapters: dict[str, Path]) -> list[list[int]]:
    """What the base and both adapters, in turn, say to each prompt alone."""
    versions = [None, *adapters.values()]
    return [alone(tiny_base, versions[n % 3], prompt) for n, prompt in enumerate(PROMPTS)]


@pytest.mark.parametrize("every", [1, 2, 0])
@pytest.mark.parametrize("mix", [True, False])
def test_an_answer_beside_others_is_the_one_given_alone(
    tiny_base: Path,
    adapters: dict[str, Path],
    weights: Weights,
    lonely: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
    mix: bool,
    every: int,
) -> None:
    """Rows of three versions, come one by one or all at once, each say what generate() says to them alone."""
    if not mix:
        monkeypatch.setattr(weights, "can_mix", lambda versions: False)
    assert weights.can_mix(["base", *adapters]) == mix
    tokenizer = load_tokenizer(tiny_base)
    batcher = Batcher(weights, tokenizer, STOP, max_rows=5 if every else 16)
    versions = ["base", *adapters]
    asked = [request(n, versions[n % 3], prompt) for n, prompt in enumerate(PROMPTS)]
    said = run(batcher, asked, every=every)
    template = Template(tokenizer)
    for n, ids in enumerate(lonely):
        assert text_of(said[n]) == template.answer_text(ids), n
        assert said[n][-1].completion_tokens == len(ids)
        assert said[n][-1].finish == ("length" if len(ids) == 12 else "stop")
    assert len({tuple(ids) for ids in lonely}) > 3  # the versions do differ


def test_a_repetition_penalty_is_the_one_of_generate(tiny_base: Path, weights: Weights) -> None:
    """A penalised greedy answer equals transformers' own."""
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP)
    said = run(batcher, [request(1, "base", PROMPTS[3], penalty=1.3), request(2, "base", PROMPTS[4])])
    expected = alone(tiny_base, None, PROMPTS[3], penalty=1.3)
    assert expected != alone(tiny_base, None, PROMPTS[3])
    assert text_of(said[1]) == Template(load_tokenizer(tiny_base)).answer_text(expected)


def test_a_seed_draws_alike_whoever_is_beside(tiny_base: Path, weights: Weights) -> None:
    """Sampling with a seed gives the same answer alone and in company, and another one with another seed."""
    how = {"temperature": 1.0, "top_p": 0.9}
    tokenizer = load_tokenizer(tiny_base)
    single = run(Batcher(weights, tokenizer, STOP), [request(1, "base", PROMPTS[5], seed=7, **how)])[1]
    crowd = [request(n, "ll-3" if n % 2 else "base", PROMPTS[n % 9], seed=n, **how) for n in range(10, 16)]
    beside = run(Batcher(weights, tokenizer, STOP), [*crowd, request(1, "base", PROMPTS[5], seed=7, **how)])[1]
    other = run(Batcher(weights, tokenizer, STOP), [request(1, "base", PROMPTS[5], seed=8, **how)])[1]
    assert text_of(single) == text_of(beside) != text_of(other)


def test_a_shared_start_is_read_once_and_changes_nothing(tiny_base: Path, weights: Weights) -> None:
    """Prompts that begin alike share what was computed for the start, and their answers stay the same."""
    start = tuple(range(20, 60))
    prompts = [(*start, 100 + n, 30, 40 + n) for n in range(4)]
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP, max_rows=1)
    said = run(batcher, [request(n, "base", prompt) for n, prompt in enumerate(prompts)])
    assert [lane._starts["base"].tokens for lane in batcher._lanes.values()] == [start]
    template = Template(load_tokenizer(tiny_base))
    for n, prompt in enumerate(prompts):
        assert text_of(said[n]) == template.answer_text(alone(tiny_base, None, prompt))


def test_a_cancelled_answer_ends_and_the_others_do_not_notice(tiny_base: Path, weights: Weights) -> None:
    """Cancelling one row, begun or waiting, frees its place; its neighbours' answers are what they were."""
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP, max_rows=3)
    for n in range(5):
        batcher.submit(request(n, "base", PROMPTS[n], max_tokens=30))
    for _ in range(3):
        batcher.step()
    batcher.cancel(0)
    batcher.cancel(4)
    batcher.cancel(99)
    assert batcher.load == (2, 1)
    said: dict[int, str] = {}
    while batcher.load != (0, 0):
        for one in batcher.step():
            said[one.id] = said.get(one.id, "") + one.text
    assert set(said) == {1, 2, 3}
    assert not batcher.uses("base")


def test_a_long_prompt_does_not_hold_up_whoever_writes(tiny_base: Path, weights: Weights) -> None:
    """While a prompt of 400 tokens is read in parts, a row that writes gets its token at every step."""
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP)
    batcher.submit(request(1, "base", PROMPTS[1], max_tokens=40))
    batcher.step()
    batcher.submit(request(2, "base", tuple(5 + n % 200 for n in range(400)), max_tokens=2))
    heard = [[one.id for one in batcher.step()] for _ in range(6)]
    assert all(1 in ids for ids in heard)
    assert all(2 not in ids for ids in heard)


def test_the_weights_of_a_dropped_version_are_freed(adapters: dict[str, Path], weights: Weights) -> None:
    """A version's corrections go with it; the base's tensors are shared and stay."""
    with weights.reading("ll-3") as model:
        layer = model.model.layers[0].self_attn.q_proj
    own, base = weakref.ref(layer.factors["ll-3"][0]), layer.own
    with torch.inference_mode(), weights.mixing(["ll-3", "ll-4", "base"]) as model:
        model.lm_head(model.model.layers[0].self_attn.q_proj(torch.zeros(1, 3, layer.in_features)))
    list(weights.dropping("ll-3"))
    assert own() is None
    assert set(layer.factors) == {"ll-4"}
    assert set(layer._mixed) == {("base", "ll-4")}
    assert layer.own is base
    assert weights.versions == ("base", "ll-4")


Fixed = tuple[tuple[int, ...], tuple[int, ...]]


def score(number: int, version: str, fixed: Fixed) -> Request:
    """A fixed answer whose likelihood is asked."""
    draw = Draw(0.0, 1.0, 1.0, torch.Generator())
    return Request(number, version, (*fixed[0], *fixed[1][:-1]), 0, draw, scored=fixed[1])


@pytest.mark.parametrize(("beside", "part"), [(0, 24), (3, 24), (1, 1), (1, 2), (1, 3)])
def test_fixed_answers_are_as_likely_as_training_finds_them(
    tiny_base: Path,
    adapters: dict[str, Path],
    weights: Weights,
    beside: int,
    part: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alone, beside answers being written and read in parts, with a start in common or none: the packed model's own."""
    monkeypatch.setattr("loraloop.lm.batching.BUSY_SCORED_TOKENS", part)
    start = tuple(range(60, 130))
    fixed: list[Fixed] = [((5, 9, 12), (30, 31, 1)), ((*start, 7, 8, 9), (40, 1)), ((*start, 8, 7), (9, 9, 4))]
    versions = ["base", *adapters]
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP, max_rows=max(1, beside))
    for n in range(beside):
        batcher.submit(request(n, versions[n - 1], PROMPTS[n + 3], max_tokens=900))
    said = batcher.step()
    for place, version in enumerate(versions):
        for n, one in enumerate(fixed):
            batcher.submit(score(100 * (place + 1) + n, version, one))
    for n in range(2):  # the start that is kept then reaches into the answer
        batcher.submit(score(1000 + n, "base", ((5, 9, 12), (30, 31, n))))
        while batcher.uses("base"):
            said += batcher.step()
    batcher.submit(score(1002, "base", fixed[0]))
    while batcher.load != (0, 0):
        said += batcher.step()
    nats = {one.id: one.nats for one in said if one.finish == "scored"}
    samples = [Sample((*p, *a), (*(-100,) * len(p), *a)) for p, a in fixed]
    for place, (version, folder) in enumerate([("base", None), *adapters.items()]):
        with adapted(load_model(tiny_base, "float32"), folder) as model:
            expected = [-nll for nll in PackedModel(model).row_nll(samples)]
        assert [nats[100 * (place + 1) + n] for n in range(len(fixed))] == pytest.approx(expected, abs=1e-3)
        assert not batcher.uses(version)
    assert nats[1002] == pytest.approx(nats[100], abs=1e-3)
    assert all(any(one.id == n and one.text for one in said) for n in range(beside))


def test_in_bfloat16_fixed_answers_are_scored_alike_in_any_company(tiny_base: Path, adapters: dict[str, Path]) -> None:
    """To the bit, whoever is answered meanwhile and whatever was scored before; and as the gate scores them."""
    served = load_model(tiny_base, "bfloat16")
    assert serve_with_ragged_attention(served)
    weights = Weights(served)
    list(weights.adding("ll-3", read_version(adapters["ll-3"])))
    fixed: list[Fixed] = [((*range(60, 100), n), (40, 30 + n, 1)) for n in range(3)]
    with adapted(load_model(tiny_base, "bfloat16"), adapters["ll-3"]) as model:
        expected = [-nll for nll in PackedModel(model).row_nll([Sample((*p, *a), (*(-100,) * len(p), *a))
                                                               for p, a in fixed])]  # fmt: skip
    heard: list[list[float]] = []
    for beside in (0, 1, 3):
        batcher = Batcher(weights, load_tokenizer(tiny_base), [])
        for n in range(beside):
            batcher.submit(request(n, ["base", "ll-3"][n % 2], PROMPTS[n], max_tokens=900))
        batcher.step()
        found = []
        for one in fixed:
            batcher.submit(score(9, "ll-3", one))
            while not (said := [s.nats for s in batcher.step() if s.finish == "scored"]):
                pass
            found += said
        heard.append(found)
    assert heard[1:] == [heard[0]] * 2
    assert heard[0] == pytest.approx(expected, abs=0.02)


def test_a_fixed_answer_waits_for_nobody(tiny_base: Path, weights: Weights) -> None:
    """Where every place is taken and others wait, a version can still be proven; nobody loses a token by it."""
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP, max_rows=1)
    for n in range(3):
        batcher.submit(request(n, "base", PROMPTS[1], max_tokens=200))
    batcher.step()
    batcher.submit(score(9, "ll-3", ((5, 9), (30,))))
    assert {said.id for said in batcher.step()} == {0, 9}


def test_prompts_are_read_before_what_is_only_scored(tiny_base: Path, weights: Weights) -> None:
    """Who asks while a version is proven does not wait for that; the proof goes on by a token a step at least."""
    batcher = Batcher(weights, load_tokenizer(tiny_base), STOP)
    batcher.submit(request(0, "base", PROMPTS[1], max_tokens=900))
    batcher.step()
    batcher.submit(score(9, "ll-3", (tuple(range(60, 100)), (30, 31))))
    batcher.step()
    batcher.submit(request(1, "ll-4", tuple(range(5, 5 + BUSY_PROMPT_TOKENS))))
    assert {said.id for said in batcher.step()} == {0, 1}
    (lane,) = batcher._lanes.values()
    assert [row.id for row in lane.rows] == [0, 1, 9]
    assert lane.rows[2].read == BUSY_SCORED_TOKENS + 1


def test_a_proven_version_has_read_the_start_of_its_first_prompts(tiny_base: Path, weights: Weights) -> None:
    """What fixed answers begin with alike is kept for it, so its first answers begin as soon as later ones."""
    batcher, start = Batcher(weights, load_tokenizer(tiny_base), STOP), tuple(range(60, 100))
    for n in range(2):
        batcher.submit(score(n, "ll-3", ((*start, n), (9, 9))))
        batcher.step()
    batcher.submit(request(5, "ll-3", (*start, 7)))
    batcher._admit()
    (lane,) = batcher._lanes.values()
    assert lane.rows[0].read == len(start)


def test_text_comes_in_pieces_that_together_are_the_whole(tiny_base: Path) -> None:
    """Korean characters of several tokens, white space and stops never come out in halves."""
    tokenizer = load_tokenizer(tiny_base)
    text = "  안녕하세요, 무엇을 먹고 싶어요?\n따뜻한 국수 END 더"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = TextStream(tokenizer)
    pieces = [whole.add(i) for i in ids] + [whole.end()]
    assert "".join(pieces) == text.strip()
    assert not any("\ufffd" in piece for piece in pieces)
    stopped = TextStream(tokenizer, ("END",))
    assert "".join([*(stopped.add(i) for i in ids if not stopped.stopped), stopped.end()]) == (
        "안녕하세요, 무엇을 먹고 싶어요?\n따뜻한 국수"
    )
