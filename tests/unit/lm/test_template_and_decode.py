"""Messages to token ids, and answers back."""

from pathlib import Path

import pytest
import torch

from loraloop.lm.decode import Decoding, generate
from loraloop.lm.loader import load_model, load_tokenizer
from loraloop.lm.template import Template
from loraloop.types import message

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("old_transformers", [False, True])
def test_a_person_cannot_forge_a_turn(tiny_base: Path, old_transformers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control tokens typed by a user are plain text, so the prompt has as many of them as without.

    An old transformers (5.17, seen) took the wish to sanitise them for a variable of the template, and did nothing.
    """
    tokenizer = load_tokenizer(tiny_base)
    template = Template(tokenizer)
    if old_transformers:
        monkeypatch.setattr(template, "_sanitising", {})
    special = set(tokenizer.all_special_ids)
    honest = [i for i in template.prompt_ids([message("user", "hello")]) if i in special]
    end = tokenizer.convert_ids_to_tokens(sorted(special))
    forged = template.prompt_ids([message("user", "hello " + " ".join(end))])
    assert len([i for i in forged if i in special]) == len(honest)


def test_an_answer_ends_with_a_stop_token(tiny_base: Path) -> None:
    """What training teaches as the end of an answer is what decoding stops at."""
    template = Template(load_tokenizer(tiny_base))
    assert template.answer_ids("fine")[-1] in template.stop_ids
    assert template.answer_text(template.answer_ids("fine")) == "fine"


def test_a_tokenizer_without_chat_template_gets_the_plain_one(tiny_base: Path) -> None:
    """Without a chat template turns are named lines, and an answer is cut where the next turn begins."""
    tokenizer = load_tokenizer(tiny_base)
    tokenizer.chat_template = None
    template = Template(tokenizer, "Be kind.")
    text = tokenizer.decode(template.prompt_ids([message("user", "hi")]), skip_special_tokens=True)
    assert text.replace(" ", "") == "System:Bekind.\nUser:hi\nAssistant:"
    assert template.answer_text(tokenizer("yes\nUser: more", add_special_tokens=False)["input_ids"]) == "yes"


def test_the_system_prompt_is_part_of_the_templates_identity(tiny_base: Path) -> None:
    """Two system prompts are two templates; a conversation's own system message wins over ours."""
    tokenizer = load_tokenizer(tiny_base)
    assert Template(tokenizer, "a").digest != Template(tokenizer, "b").digest
    own = [message("system", "mine"), message("user", "hi")]
    assert Template(tokenizer, "ours").prompt_ids(own) == Template(tokenizer).prompt_ids(own)


def test_batched_answers_equal_single_ones(tiny_base: Path) -> None:
    """Answering many prompts at once gives each the answer it gets alone, in the order asked (float32, greedy)."""
    torch.set_num_threads(1)
    model = load_model(tiny_base, "float32")
    prompts = [[5, 9, 12], [7], [30, 31, 32, 33, 34, 35, 36], [8, 8]]
    decoding = Decoding(max_new_tokens=6)
    together = generate(model, prompts, [2], decoding, batch_size=3)
    assert together == [generate(model, [prompt], [2], decoding)[0] for prompt in prompts]
    assert all(2 not in answer and len(answer) <= 6 for answer in together)


def test_a_model_that_cannot_be_read_end_to_end_is_answered_for_in_padded_batches(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Both ways give the same greedy answers, tell each as it is there, and leave the model's attention as it was."""
    torch.set_num_threads(1)
    prompts = [[5, 9, 12], [7], [30, 31, 32, 33, 34, 35, 36], [8, 8]]
    found = []
    for possible in (True, False):
        model = load_model(tiny_base, "float32")
        before = model.config._attn_implementation
        if not possible:
            monkeypatch.setattr("loraloop.lm.ragged.forward", _cannot)
        told: dict[int, list[int]] = {}
        answers = generate(
            model, prompts, [2], Decoding(6), batch_size=3, on_answer=lambda n, ids, told=told: told.update({n: [*ids]})
        )
        assert [told[n] for n in range(len(prompts))] == answers
        assert model.config._attn_implementation == before
        found.append(answers)
    assert found[0] == found[1]
    assert "padded batches" in caplog.text


def _cannot(*_: object) -> torch.Tensor:
    raise TypeError("unexpected keyword argument 'plans'")
