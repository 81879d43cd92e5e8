"""Versions in one tree of modules: loaded from one read, apart from each other, gone without a wait."""

import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loraloop.errors import ArtifactError, TamperedArtifact
from loraloop.lm.adapter_files import WEIGHTS, adapter_digest
from loraloop.lm.adapters import adapted
from loraloop.lm.loader import load_model
from loraloop.lm.prepacked import prepack_linears
from loraloop.lm.weights import Weights, read_version
from loraloop.testing.wrappers import random_adapter

IDS = torch.tensor([[5, 9, 12, 7, 30]])


@pytest.fixture
def adapter(tiny_base: Path, tmp_path: Path) -> Path:
    """An adapter that changes the tiny base's answers."""
    return random_adapter(tiny_base, tmp_path / "adapter")


def logits(weights: Weights, version: str) -> torch.Tensor:
    """What a version makes of five tokens."""
    with torch.inference_mode(), weights.reading(version) as model:
        return model(input_ids=IDS).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize(("dtype", "merges"), [("float32", False), ("bfloat16", False), ("bfloat16", True)])
def test_a_version_is_what_the_gate_scores(
    tiny_base: Path, adapter: Path, dtype: str, merges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit in bfloat16, corrected or merged (as on a GPU); within rounding in float32, where the gate merges."""
    if merges:
        monkeypatch.setattr("loraloop.lm.corrections.is_corrected", lambda weight: False)
        monkeypatch.setattr("loraloop.lm.weights.is_corrected", lambda weight: False)
    weights = Weights(load_model(tiny_base, dtype))
    before = logits(weights, "base")
    list(weights.adding("ll-1", read_version(adapter)))
    gate = load_model(tiny_base, dtype)
    prepack_linears(gate)  # as it answers
    with torch.inference_mode(), adapted(gate, adapter) as model:
        scored, found = model(input_ids=IDS).logits, logits(weights, "ll-1")
    tolerance = 1e-5 if dtype == "float32" else 0.0
    torch.testing.assert_close(found, scored, rtol=tolerance, atol=tolerance)
    assert (found - before).abs().max() > 0.01
    assert torch.equal(logits(weights, "base"), before)
    assert weights.can_mix(["base", "ll-1"]) == (not merges)


def test_layers_laid_out_in_blocks_are_in_memory_once(tiny_base: Path) -> None:
    """What was read is let go of, but for the embeddings where the head shares them."""
    model = load_model(tiny_base, "float32")
    read = [weakref.ref(layer.weight) for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    prepack_linears(model)
    model(input_ids=IDS)
    weights = Weights(model)
    assert sum(one() is not None for one in read) == 1
    assert logits(weights, "base").isfinite().all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_pass_reads_each_token_as_its_version_does(tiny_base: Path, adapter: Path, dtype: str) -> None:
    """Layer by layer, whoever's tokens stand beside it."""
    weights = Weights(load_model(tiny_base, dtype))
    list(weights.adding("ll-1", read_version(adapter)))
    with weights.reading("base") as model:
        layer = model.model.layers[0].self_attn.q_proj
    x = torch.rand(1, 3, layer.in_features).to(layer.weight.dtype)
    with torch.inference_mode():
        with weights.mixing(["base", "ll-1", "base"]):
            found = layer(x)
        for version, tokens in (("base", [0, 2]), ("ll-1", [1])):
            with weights.reading(version):
                torch.testing.assert_close(found[0, tokens], layer(x)[0, tokens])


def test_between_two_layers_of_a_version_that_comes_or_goes_others_answer(tiny_base: Path, adapter: Path) -> None:
    """So no answer waits for a whole version."""
    weights = Weights(load_model(tiny_base, "float32"))
    list(weights.adding("ll-1", read_version(adapter)))
    expected = {version: logits(weights, version) for version in ("base", "ll-1")}
    coming = weights.adding("ll-2", read_version(adapter))
    parts = 0
    for change in (coming, weights.dropping("ll-2")):
        for _ in change:
            parts += 1
            assert "ll-2" not in weights.versions
            assert all(torch.equal(logits(weights, version), expected[version]) for version in expected)
        assert ("ll-2" in weights.versions) == (change is coming)
    assert parts > 10


def test_the_weights_file_is_opened_once(tiny_base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked is what is loaded: there is no second read that could find something else."""
    weights, opened = Weights(load_model(tiny_base, "float32")), []
    whole = Path.open

    def counting(path: Path, *how: str, **more: str) -> object:
        opened.append(path.name)
        return whole(path, *how, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", counting)
    list(weights.adding("ll-1", read_version(adapter, adapter_digest(adapter))))
    assert opened.count(WEIGHTS) == 2  # one of them is this test's own digest


def test_sound_files_of_another_adapter_are_refused(tiny_base: Path, adapter: Path, tmp_path: Path) -> None:
    """An adapter that was exchanged since it was verified is not loaded, and leaves nothing behind."""
    weights, digest = Weights(load_model(tiny_base, "float32")), adapter_digest(adapter)
    other = random_adapter(tiny_base, tmp_path / "other", seed=9)
    with pytest.raises(TamperedArtifact, match=digest[:16]):
        list(weights.adding("ll-1", read_version(other, digest)))
    assert weights.versions == ("base",)


def test_weights_that_would_be_ignored_are_refused(tiny_base: Path, adapter: Path) -> None:
    """An adapter of embeddings beside the layers is not served as if it had none; no layer keeps a part of it."""
    weights, tensors = Weights(load_model(tiny_base, "float32")), load_file(str(adapter / WEIGHTS))
    extra = "base_model.model.model.embed_tokens.lora_embedding_A"
    save_file({**tensors, extra: torch.ones(4, 8)}, str(adapter / WEIGHTS))
    with pytest.raises(ArtifactError, match=extra):
        list(weights.adding("ll-1", read_version(adapter)))
    half = next(name for name in tensors if ".lora_B." in name)
    save_file({name: tensor for name, tensor in tensors.items() if name != half}, str(adapter / WEIGHTS))
    with pytest.raises(ArtifactError, match="second half"):
        list(weights.adding("ll-1", read_version(adapter)))
    assert weights.versions == ("base",)
    assert not any(layer.factors or layer.merged for layer in weights._layers.values())


def test_a_version_comes_in_steps_of_one_layer(tiny_base: Path, adapter: Path) -> None:
    """Whoever is answered meanwhile waits for one layer, not for reading all of them."""
    weights, files = Weights(load_model(tiny_base, "float32")), read_version(adapter)
    assert (
        sum(1 for _ in weights.adding("ll-1", files)) == 2 * len(weights._layers) - 2
    )  # read, then added; not the head


def test_an_adapted_head_is_read_alone(tiny_base: Path, adapter: Path) -> None:
    """The head reads only the tokens after which something is said, so such a version shares no pass."""
    tensors = load_file(str(adapter / WEIGHTS))
    model = load_model(tiny_base, "float32")
    size, hidden = model.get_output_embeddings().weight.shape
    name = "base_model.model.lm_head.lora_{}.weight"
    head = {name.format("A"): torch.ones(4, hidden), name.format("B"): torch.ones(size, 4)}
    save_file({**tensors, **head}, str(adapter / WEIGHTS))
    weights = Weights(model)
    list(weights.adding("ll-1", read_version(adapter)))
    assert not weights.can_mix(["base", "ll-1"])
    list(weights.dropping("ll-1"))
    assert weights.can_mix(["base"])


def test_a_version_whose_numbers_overflow_does_not_reach_the_tokens_of_others(tiny_base: Path, adapter: Path) -> None:
    """Finite weights so large that products are infinite spoil their own tokens, and nobody else's in the same pass."""
    weights = Weights(load_model(tiny_base, "float32"))
    list(weights.adding("ll-1", read_version(adapter)))
    with torch.inference_mode(), weights.mixing(["base", "ll-1", "base"]) as model:
        layer = model.model.layers[0].self_attn.q_proj
        layer.factors["ll-1"][0].fill_(3e38)
        layer._mixed.clear()  # laid side by side as it was
        x = torch.rand(1, 3, layer.in_features) + 1
        found = layer(x)
    with torch.inference_mode(), weights.reading("base") as model:
        expected = model.model.layers[0].self_attn.q_proj(x)
    assert torch.equal(found[0, [0, 2]], expected[0, [0, 2]])
    assert not found[0, 1].isfinite().all()
