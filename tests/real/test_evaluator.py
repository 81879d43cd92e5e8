"""LoRAEvaluator on a tiny real model: the adapter is really loaded, and an evaluation that cannot tell says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraloop.evaluate.config import EvaluationConfig
from loraloop.evaluate.evaluator import LoRAEvaluator
from loraloop.evaluate.looks import look_plan
from loraloop.evaluate.notes import Memory, read_notes
from loraloop.evaluate.suites import parse_suite
from loraloop.lm.decode import Decoding, generate
from loraloop.lm.loader import load_model
from loraloop.lm.packed import PackedModel
from loraloop.testing.wrappers import Plain, Speaking, random_adapter
from loraloop.types import Adapter, Repair, Sample, message, utc

pytestmark = pytest.mark.real

HELD = [
    Sample((5, 6, 10 + n, 40 + n, 41 + n, 1), (-100, -100, -100, 40 + n, 41 + n, 1), text_bytes=6) for n in range(5)
]
SUITE = parse_suite(
    {"kind": "keep", "items": [{"prompt": "Hello, how are you?"}, {"prompt": "배고파요", "language": "ko"}]}, "two"
)


def make_adapter(base: Path, folder: Path, strength: float) -> Adapter:
    """An adapter of the tiny base whose effect grows with ``strength``."""
    random_adapter(base, folder, strength)
    return Adapter(f"ad-{folder.name}", "default", folder.name, "0" * 64, "base-x", str(folder), utc("2026-01-01"))


@pytest.fixture(scope="module")
def adapters(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Adapter, Adapter]:
    """A weak and a strong adapter."""
    folder = tmp_path_factory.mktemp("adapters")
    return make_adapter(tiny_base, folder / "weak", 0.02), make_adapter(tiny_base, folder / "strong", 0.5)


class Canned(Plain):
    """One whose answers have nothing to do with its model."""

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """Always the same."""
        return "맛있는 메뉴를 추천해 드릴게요."


def evaluator(model: Any, folder: Path) -> LoRAEvaluator:
    """An evaluator with short answers and the suite of two."""
    config = EvaluationConfig(max_new_tokens=8, dtype="float32", adapter_dir=str(folder))
    found = LoRAEvaluator(model, config, suites=[SUITE])
    found.test_cases = [{"input": "hello", "expected_keywords": [], "type": "greeting"}]
    return found


def test_three_subjects_are_asked_side_by_side(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter]
) -> None:
    """Candidate, live adapter and base answer the same items; losses are the models' own with the adapter merged."""
    weak, strong = adapters
    report = evaluator(str(tiny_base), tmp_path).evaluate(strong, live=weak, heldout=HELD, dataset_id="ds-1")
    assert [score.subject for score in report.scores] == ["candidate", "live", "base"]
    assert report.valid
    assert report.heldout_rows == len(HELD)
    assert len(report.items) == 6
    losses = {score.subject: score.heldout_loss for score in report.scores}
    assert losses["candidate"] != losses["base"] != losses["live"]
    expected = sum(PackedModel(load_model(tiny_base, "float32")).row_nll(HELD)) / (3 * len(HELD))
    assert losses["base"] == pytest.approx(expected, rel=1e-4)
    by_subject = {s: [i.answer for i in report.items if i.subject == s] for s in ("candidate", "base")}
    assert by_subject["candidate"] != by_subject["base"]


def test_an_answer_given_before_is_not_asked_for_again(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter]
) -> None:
    """A second report takes what live adapter and base said from the first, and asks the new candidate alone."""
    weak, strong = adapters
    first = evaluator(str(tiny_base), tmp_path).evaluate(weak, heldout=HELD)
    # What was said before is replaced, to see where it comes from.
    marked = Memory({item.asked: (f"remembered {item.subject}", False) for item in first.items})
    assert len(marked.answers) == 4
    judge = evaluator(str(tiny_base), tmp_path)
    again = LoRAEvaluator(str(tiny_base), judge.config, suites=[SUITE], recall=lambda: marked)
    report = again.evaluate(strong, live=weak, heldout=HELD)
    said = {
        subject: {i.answer for i in report.items if i.subject == subject} for subject in ("candidate", "live", "base")
    }
    assert said["live"] == {"remembered candidate"}
    assert said["base"] == {"remembered base"}
    assert not any("remembered" in answer for answer in said["candidate"])
    repair = Repair("cv-1#1", (message("user", "hello"),), "hi")
    corrected = judge.evaluate(weak, repairs=[repair])
    assert {item.asked for item in corrected.items if item.suite == "repairs"} == {""}  # a user's words leave no digest
    longer = judge.config.model_copy(update={"max_new_tokens": 9})
    other = LoRAEvaluator(str(tiny_base), longer, suites=[SUITE], recall=lambda: marked)
    assert not any("remembered" in i.answer for i in other.evaluate(strong, live=weak).items)  # another way of asking


def test_a_loss_measured_before_is_not_measured_again(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter]
) -> None:
    """Losses of rows with a keyed digest are taken from what is remembered; rows without one are always measured."""
    weak, strong = adapters
    keyed = [replace(row, digest=f"{n:064x}", conversation_id=f"cv-{n}") for n, row in enumerate(HELD)]
    judge = evaluator(str(tiny_base), tmp_path)
    first = judge.evaluate(weak, heldout=keyed)
    marked = Memory(nats={row.asked: 1000.0 for row in first.losses})
    assert len(marked.nats) == 2 * len(HELD)
    again = LoRAEvaluator(str(tiny_base), judge.config, suites=[SUITE], recall=lambda: marked)
    report = again.evaluate(strong, live=weak, heldout=[*keyed[1:], HELD[0]])
    nats = {s: sorted({row.nats for row in report.losses if row.subject == s}) for s in ("live", "base", "candidate")}
    assert nats["live"].count(1000.0) == nats["base"].count(1000.0) == 1
    assert len(nats["live"]) == 2  # the row without a digest was measured
    assert 1000.0 not in nats["candidate"]


def test_a_candidate_that_is_surely_worse_is_asked_nothing_more(tiny_base: Path, tmp_path: Path) -> None:
    """At a look after a quarter of the rows it is over: the report has their losses and no answers; notes are gone."""
    model, prompts = load_model(tiny_base, "float32"), [[5, 6, 7 + n] for n in range(160)]
    likely = generate(model, prompts, [], Decoding(max_new_tokens=3))  # what the base itself would say
    rows = [
        Sample((*prompt, *said), (-100, -100, -100, *said), f"cv-{n:03d}", digest=f"{n:064x}")
        for n, (prompt, said) in enumerate(zip(prompts, likely, strict=True))
    ]
    wild = make_adapter(tiny_base, tmp_path / "wild", 8.0)
    judge = evaluator(str(tiny_base), tmp_path)
    notes = tmp_path / "notes" / "b.jsonl"
    planned = LoRAEvaluator(
        str(tiny_base),
        judge.config,
        suites=[SUITE],
        looks=lambda n: look_plan(n, alpha=0.02, worse_p_value=0.05, margin_nats=0.02),
        notes=notes,
    )
    whole = judge.evaluate(wild, heldout=rows)
    ours, base = (whole.score(s) for s in ("candidate", "base"))
    assert ours is not None
    assert base is not None
    assert ours.heldout_loss is not None
    assert base.heldout_loss is not None
    assert ours.heldout_loss > base.heldout_loss + 0.02  # it is worse indeed
    report = planned.evaluate(wild, heldout=rows)
    assert report.looks is not None
    assert (report.looks.verdict, report.looks.planned) == ("worse", 160)
    assert report.looks.rows == report.heldout_rows < 160
    assert report.valid
    assert report.items == ()
    assert {row.subject for row in report.losses} == {"candidate", "base"}
    assert not notes.exists()


def test_an_evaluation_cut_short_goes_on_from_its_notes(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was heard before the cut is on disk, and the next evaluation does not ask for it again."""
    notes = tmp_path / "b.jsonl"
    keyed = [replace(row, digest=f"{n:064x}", conversation_id=f"cv-{n}") for n, row in enumerate(HELD)]
    judge = LoRAEvaluator(str(tiny_base), evaluator(str(tiny_base), tmp_path).config, suites=[SUITE], notes=notes)
    monkeypatch.setattr("loraloop.evaluate.evaluator.make_report", _cut)
    with pytest.raises(KeyboardInterrupt):
        judge.evaluate(adapters[0], heldout=keyed)
    noted = read_notes(notes)
    assert len(noted.answers) == 4
    assert len(noted.nats) == 2 * len(keyed)
    monkeypatch.undo()
    marked = notes.read_text().replace('"nats": ', '"nats": 7').replace("\n", "\n", 1)
    notes.write_text(marked + '{"asked": "torn')
    report = judge.evaluate(adapters[0], heldout=keyed)
    assert all(str(row.nats).startswith("7") for row in report.losses)
    assert not notes.exists()


def _cut(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_used_alone_with_a_live_object_the_adapter_is_really_loaded(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter]
) -> None:
    """Without ``generate_response`` the object is written for a child process, and two adapters answer differently."""
    wrapper = Plain(tiny_base)
    before = {name: tensor.clone() for name, tensor in wrapper.model.state_dict().items()}
    judge = evaluator(wrapper, tmp_path)
    found = judge.evaluate_adapter_performance("strong", adapters[1].path)
    assert found["valid"], found
    assert found["total_test_cases"] == 1
    assert all(before[name].equal(tensor) for name, tensor in wrapper.model.state_dict().items())


def test_a_wrapper_answers_through_its_own_method_on_a_copy(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter]
) -> None:
    """With ``generate_response`` that method is called, on a copy with the adapter; the original stays as it was."""
    wrapper = Speaking(tiny_base)
    before = {name: tensor.clone() for name, tensor in wrapper.model.state_dict().items()}
    judge = evaluator(wrapper, tmp_path)
    found = judge.evaluate_adapter_performance("strong", adapters[1].path)
    assert found["valid"], found
    assert judge.generate_test_response("hello") == wrapper.generate_response("hello")
    assert all(before[name].equal(tensor) for name, tensor in wrapper.model.state_dict().items())


def test_answers_that_never_change_make_the_evaluation_invalid(
    tiny_base: Path, tmp_path: Path, adapters: tuple[Adapter, Adapter]
) -> None:
    """A canned sentence scores no adapter: the report says so and the adapter may not be deployed on it."""
    judge = evaluator(Canned(tiny_base), tmp_path)
    found = judge.evaluate_adapter_performance("strong", adapters[1].path)
    assert not found["valid"]
    assert "never change" in found["reason"]
    assert not judge.should_deploy_adapter("strong", found)
    report = judge.evaluate(adapters[1])
    assert not report.valid


def test_a_missing_or_unsafe_adapter_scores_nothing_and_says_why(tiny_base: Path, tmp_path: Path) -> None:
    """A failed evaluation has scores of 0 and an error, as the older interface promised."""
    judge = evaluator(str(tiny_base), tmp_path)
    for name in ("nowhere", "../x"):
        found = judge.evaluate_adapter_performance(name)
        assert found["overall_score"] == 0.0
        assert found["error"]
        assert not judge.should_deploy_adapter(name, found)
