"""The order of the loop, whatever its parts are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loraloop.controller import Loop
from loraloop.errors import BadName, DataError, EvaluationError, LoraloopError, StoreBusy, UnknownThing, WrongBase
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import SqlStore
from loraloop.store.turn_lock import TurnLock
from loraloop.testing.clock import START, MovedClock
from loraloop.testing.parts import CannedParts
from loraloop.turns import last_turn
from loraloop.types import Conversation, Mark, message

STEPS = ("collect", "train", "evaluate", "gate", "deploy")


@pytest.fixture
def canned(tmp_path: Path, store: SqlStore) -> CannedParts:
    """Parts that compute nothing."""
    return CannedParts(store, LocalArtifacts(tmp_path), tmp_path / "adapters", MovedClock())


@pytest.fixture
def loop_of(store: SqlStore) -> Callable[[CannedParts], Loop]:
    """Makes the loop over such parts."""
    return lambda canned: Loop(canned.parts(), store, canned.artifacts, bot=canned.bot, clock=canned.clock)


Made = Callable[[CannedParts], Loop]


def add(store: SqlStore, *numbers: int) -> None:
    """Store conversations."""
    said = (message("user", "hello"), message("assistant", "hi", "review"))
    store.conversations.add([Conversation(f"cv-{n:016x}", "default", said, START, "chat", "granted") for n in numbers])


def test_a_turn_goes_through_every_step_in_order(canned: CannedParts, loop_of: Made, store: SqlStore) -> None:
    """Collect, train, evaluate, gate, deploy; each value names the one it came from, and what was made is stored."""
    result = loop_of(canned).turn("mine", actor="kim")
    assert canned.done == STEPS
    assert result.adapter.name == "mine"
    assert result.adapter.dataset_id == result.dataset.id == result.report.dataset_id
    assert (result.report.adapter_id, result.decision.report_id) == (result.adapter.id, result.report.id)
    assert result.release is not None
    assert (result.release.decision_id, result.release.actor) == (result.decision.id, "kim")
    assert Path(result.adapter.path).is_dir()
    assert store.releases.live("default") == result.release
    assert store.reports.get(result.report.id) == result.report


@pytest.mark.parametrize("verdict", ["hold", "inconclusive", "PROMOTE", ""])
def test_only_an_explicit_promote_is_deployed(canned: CannedParts, loop_of: Made, verdict: str) -> None:
    """Any other verdict ends the turn before deploying, as an ordinary result."""
    canned.verdict = verdict
    result = loop_of(canned).turn()
    assert result.release is None
    assert canned.done == STEPS[:-1]


def test_the_same_rows_are_not_trained_twice(canned: CannedParts, loop_of: Made, store: SqlStore) -> None:
    """A second turn on the same rows takes the adapter there is, under its new name too; new rows are trained."""
    loop, canned.verdict = loop_of(canned), "hold"
    first = loop.turn()
    again = loop.turn("again")
    assert again.adapter.id == first.adapter.id
    assert canned.done.count("train") == 1
    assert (canned.folder / "again").resolve() == Path(first.adapter.path).resolve()
    add(store, 1)
    assert loop.turn().adapter.id != first.adapter.id
    assert [adapter.name for adapter in store.adapters.list("default")] == ["turn-002", "turn-001"]


def test_what_is_live_already_is_not_judged_again(canned: CannedParts, loop_of: Made) -> None:
    """A turn that ends with the live adapter makes an invalid report that says so, and asks nobody."""
    loop = loop_of(canned)
    loop.turn()
    again = loop.turn()
    assert not again.report.valid
    assert "live one already" in again.report.reason
    assert canned.done.count("evaluate") == 1


def test_a_step_that_fails_keeps_what_came_before(canned: CannedParts, loop_of: Made, store: SqlStore) -> None:
    """An error leaves the turn as it is; the adapter made before it is used by the next turn."""

    def fail(step: str) -> None:
        if step == "evaluate":
            raise EvaluationError("no")

    canned.before = fail
    with pytest.raises(EvaluationError):
        loop_of(canned).turn()
    assert [adapter.name for adapter in store.adapters.list("default")] == ["turn-001"]
    assert last_turn(store.state, "default") is None
    canned.before = lambda step: None
    loop_of(canned).turn()
    assert canned.done == ("collect", "train", "collect", "evaluate", "gate", "deploy")


@pytest.mark.parametrize("name", ["../x", "Capital", "", "objects"])
def test_a_name_that_cannot_be_is_refused_before_anything_is_made(
    canned: CannedParts, loop_of: Made, name: str
) -> None:
    """No step is done for a turn whose adapter could not be named."""
    with pytest.raises(BadName):
        loop_of(canned).turn(name)
    assert canned.done == ()


def test_adapters_are_found_by_name_and_id_and_belong_to_one_base(canned: CannedParts, loop_of: Made) -> None:
    """The newest of a name is meant; one made for another base is refused; an unknown one is named."""
    loop, canned.verdict = loop_of(canned), "hold"
    made = loop.turn("mine").adapter
    assert loop.find_adapter("mine") == loop.find_adapter(made.id) == made
    with pytest.raises(UnknownThing, match="nobody"):
        loop.find_adapter("nobody")
    with pytest.raises(WrongBase, match="base-tiny"):
        loop.evaluate(replace(made, base_id="base-other"))


def test_a_whole_turn_is_remembered_with_the_rows_it_began_with(
    canned: CannedParts, loop_of: Made, store: SqlStore
) -> None:
    """Conversations that come while a turn is under way count as new after it; a refused adapter is a turn as well."""
    assert last_turn(store.state, "default") is None
    add(store, 1, 2)
    canned.before = lambda step: add(store, 3) if step == "train" else None
    canned.verdict = "hold"
    loop_of(canned).turn()
    assert last_turn(store.state, "default") == (2, canned.clock.now(), Mark("ds-0000000000000002", 0))
    assert last_turn(store.state, "other") is None


@pytest.mark.parametrize("at", STEPS)
def test_a_second_turn_is_refused_at_once_at_every_step_of_the_first(
    canned: CannedParts, loop_of: Made, store: SqlStore, tmp_path: Path, at: str
) -> None:
    """While one turn is under way another of the same bot does no step; one of another bot is free to go."""
    told: list[str] = []

    def meanwhile(step: str) -> None:
        if step != at:
            return
        for bot in ("default", "other"):
            second = CannedParts(store, canned.artifacts, tmp_path / bot, canned.clock, bot=bot)
            second.turning = TurnLock(tmp_path, bot).held
            try:
                loop_of(second).turn()
            except StoreBusy as error:
                told.append(str(error))
            assert second.done == (() if bot == "default" else STEPS)

    canned.turning, canned.before = TurnLock(tmp_path, "default").held, meanwhile
    assert loop_of(canned).turn().release is not None
    assert len(told) == 1
    assert "being turned already" in told[0]


def test_training_alone_is_a_turn_of_ones_own_too(canned: CannedParts, loop_of: Made, tmp_path: Path) -> None:
    """Training an adapter by itself is refused while somebody else turns the loop."""
    canned.turning = TurnLock(tmp_path, "default").held
    dataset = canned.build_dataset()
    with TurnLock(tmp_path, "default").held(), pytest.raises(LoraloopError, match="being turned"):
        loop_of(canned).train(dataset)
    assert loop_of(canned).train(dataset).name == "turn-001"


def test_files_that_another_adapter_needs_stay_when_what_was_trained_is_dropped(
    canned: CannedParts, loop_of: Made, store: SqlStore
) -> None:
    """The same rows in training give the very same files; that somebody withdrew takes them from nobody who serves."""
    add(store, 1)
    mina = replace(next(iter(store.conversations.iterate("default"))), id=f"cv-{2:016x}", user="mina")
    store.conversations.add([mina])
    loop = loop_of(canned)
    first = loop.turn()
    dataset = replace(first.dataset, id=f"{first.dataset.id[:-1]}9")
    trained = canned.train_lora_adapter

    def withdraw(step: str) -> None:
        store.consents.set("default", "mina", "withdrawn")

    def same_files(*given: object, **facts: object) -> object:
        return trained(*given, **facts | {"dataset_id": first.dataset.id})  # type: ignore[arg-type]

    canned.before, canned.train_lora_adapter = withdraw, same_files  # type: ignore[method-assign]
    store.datasets.put(dataset)
    with pytest.raises(DataError):
        loop_of(canned).train(dataset, "second")
    assert first.adapter.digest in canned.artifacts.digests()
