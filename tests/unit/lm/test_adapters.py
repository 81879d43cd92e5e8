"""Adapters as files and as weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loraloop.errors import ArtifactError, WrongBase
from loraloop.lm.adapter_files import adapter_digest, check_adapter
from loraloop.lm.adapters import adapted, attention_projections
from loraloop.lm.loader import load_model
from loraloop.testing.wrappers import random_adapter

pytestmark = pytest.mark.slow

IDS = torch.tensor([[5, 9, 12, 7, 30]])


@pytest.fixture(scope="module")
def made(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter for the tiny base whose effect is not zero."""
    return random_adapter(tiny_base, tmp_path_factory.mktemp("adapter") / "a", strength=0.2)


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "adapter"))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_an_adapter_answers_as_peft_does_and_leaves_no_trace(
    adapter: Path, tiny_base: Path, dtype: str, tolerance: float
) -> None:
    """Merged (float32) or beside the weights (bfloat16), it is what PEFT computes; then the base is back to the bit."""
    from peft import PeftModel

    model = load_model(tiny_base, dtype)
    with torch.inference_mode():
        unchanged = model(input_ids=IDS).logits
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.inference_mode(), adapted(model, adapter):
        found = model(input_ids=IDS).logits
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    with torch.inference_mode():
        plain = model(input_ids=IDS).logits
        expected = PeftModel.from_pretrained(load_model(tiny_base, dtype), str(adapter))(input_ids=IDS).logits
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert not torch.allclose(found, plain, atol=2 * tolerance)
    assert torch.equal(plain, unchanged)


def test_the_base_is_restored_even_when_answering_fails(adapter: Path, tiny_base: Path) -> None:
    """An error while an adapter is merged does not leave it in the base."""
    model = load_model(tiny_base, "float32")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="boom"), adapted(model, adapter):
        raise RuntimeError("boom")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_digest_is_of_weights_and_config_alone(adapter: Path) -> None:
    """A card, a reordered config or another tensor order changes nothing; one changed weight changes the digest."""
    first = adapter_digest(adapter)
    (adapter / "README.md").write_text("another card")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"] = list(reversed(config["target_modules"]))
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    assert adapter_digest(adapter) == first
    weights = load_file(str(adapter / "adapter_model.safetensors"))
    name = sorted(weights)[0]
    weights[name] = weights[name] + 1
    save_file(weights, str(adapter / "adapter_model.safetensors"))
    assert adapter_digest(adapter) != first


def spoil_missing_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def spoil_missing_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def spoil_truncated(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def spoil_no_header(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\xff" * 64)


def spoil_nan(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    weights = load_file(str(path))
    weights[sorted(weights)[0]][0, 0] = float("nan")
    save_file(weights, str(path))


def spoil_pickle(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04.")


def spoil_link(folder: Path) -> None:
    (folder / "secret").symlink_to("/etc/passwd")


def spoil_config_no_json(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")


def spoil_code_in_config(folder: Path) -> None:
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["auto_mapping"] = {"base_model_class": "evil"}
    path.write_text(json.dumps(config))


def spoil_huge_rank(folder: Path) -> None:
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["r"] = 10**9
    path.write_text(json.dumps(config))


def spoil_foreign_tensor(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({**load_file(str(path)), "lm_head.weight": torch.zeros(2, 2)}, str(path))


SPOILERS = [value for name, value in sorted(globals().items()) if name.startswith("spoil_")]


@pytest.mark.fault(24)
@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_adapter_is_refused_before_anything_is_loaded(adapter: Path, spoil: Callable[[Path], None]) -> None:
    """Missing, truncated, foreign, linked, NaN or code-carrying files each give an ArtifactError naming the file."""
    check_adapter(adapter)
    spoil(adapter)
    with pytest.raises(ArtifactError, match=r"adapter"):
        check_adapter(adapter)


def test_an_adapter_of_another_base_is_refused(adapter: Path, tiny_base: Path) -> None:
    """An adapter whose layers the model does not have is a WrongBase, and the model stays as it was."""
    weights = load_file(str(adapter / "adapter_model.safetensors"))
    renamed = {name.replace(".layers.0.", ".layers.77."): tensor for name, tensor in weights.items()}
    save_file(renamed, str(adapter / "adapter_model.safetensors"))
    model = load_model(tiny_base, "float32")
    with pytest.raises(WrongBase, match="adapts"), adapted(model, adapter):
        pass


def test_attention_projections_are_found_by_name(tiny_base: Path) -> None:
    """The older default adapts the four attention projections of a Llama."""
    assert attention_projections(load_model(tiny_base, "float32")) == ["k_proj", "o_proj", "q_proj", "v_proj"]
