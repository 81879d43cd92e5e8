"""A job's stages over several tries: what is read again, and what does not hold any more and is done anew."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loraloop.controller import Loop
from loraloop.errors import DataError, EvaluationError, StaleRelease, UsageError
from loraloop.jobs import NewJob, RetryRule
from loraloop.stages import Stages
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import START, MovedClock
from loraloop.testing.parts import CannedParts
from loraloop.turns import last_turn
from loraloop.types import Conversation, message

RULE = RetryRule(delay_s=0)


@pytest.fixture
def canned(tmp_path: Path, store: SqlStore) -> CannedParts:
    """Parts that compute nothing, of a bot to which two children spoke."""
    said = (message("user", "hello"), message("assistant", "hi", "review"))
    for number, person in enumerate(("mina", "jun")):
        one = Conversation(f"cv-{number:016x}", "default", said, START, "chat", "granted", user=person)
        store.conversations.add([one])
    return CannedParts(store, LocalArtifacts(tmp_path), tmp_path / "adapters", MovedClock())


@pytest.fixture
def begun(store: SqlStore, canned: CannedParts) -> Callable[[str], Stages]:
    """Leases a job, ending the try before if there was one, and gives its stages."""

    def begin(job_id: str) -> Stages:
        for lease, _ in store.leases.lost():
            store.leases.reclaim(lease, RULE)
        lease = store.leases.take("", -1.0, job_id=job_id)
        job = store.jobs.get(job_id)
        assert lease is not None
        assert job is not None
        held = lease
        return Stages(
            Loop(canned.parts(), store, canned.artifacts, clock=canned.clock),
            store,
            job,
            lambda stage, facts: store.leases.record(held, stage, facts),
            undo=lambda stage: store.leases.undo(held, stage),
        )

    return begin


Begun = Callable[[str], Stages]


def failing(step: str) -> Callable[[str], None]:
    """What makes a step fail."""

    def fail(begins: str) -> None:
        if begins == step:
            raise EvaluationError("no")

    return fail


@pytest.mark.parametrize("step", ["train", "evaluate", "gate", "deploy"])
def test_whoever_withdraws_between_two_tries_is_in_nothing_that_is_released(
    store: SqlStore, canned: CannedParts, begun: Begun, step: str
) -> None:
    """However far the first try came, the next collects anew, trains on the others, and the job says so."""
    id = store.jobs.add(NewJob("default")).id
    canned.before = failing(step)
    with pytest.raises(EvaluationError):
        begun(id).run()
    store.consents.set("default", "mina", "withdrawn")
    canned.before = lambda step: None
    result = begun(id).run()
    assert [row.conversation_id for row in result.dataset.rows] == ["cv-0000000000000001"]
    assert result.release is not None
    assert result.adapter.dataset_id == result.dataset.id
    job = store.jobs.get(id)
    assert job is not None
    assert job.stages["collect"]["dataset_id"] == result.dataset.id
    assert job.stages["train"]["adapter_id"] == result.release.adapter_id == result.adapter.id


@pytest.mark.fault(108)
@pytest.mark.parametrize("step", ["train", "evaluate", "gate"])
def test_whoever_withdraws_while_a_step_runs_is_in_nothing_that_is_released(
    store: SqlStore, canned: CannedParts, begun: Begun, step: str
) -> None:
    """The try ends without a release, the files of what was being trained go, and the next try is without them."""
    id = store.jobs.add(NewJob("default")).id

    def withdraw(begins: str) -> None:
        if begins == step:
            store.consents.set("default", "mina", "withdrawn")

    canned.before = withdraw
    with pytest.raises(DataError, match="no consent"):
        begun(id).run()
    assert store.releases.live("default") is None
    assert len(canned.artifacts.digests()) == (step != "train")
    canned.before = lambda step: None
    result = begun(id).run()
    assert [row.conversation_id for row in result.dataset.rows] == ["cv-0000000000000001"]
    assert result.release is not None


def test_a_job_that_was_given_a_dataset_of_somebody_who_withdrew_fails(
    store: SqlStore, canned: CannedParts, begun: Begun
) -> None:
    """Nothing is trained, and no further try is made; a turn by name of the old dataset is refused as well."""
    old = canned.build_dataset()
    store.consents.set("default", "mina", "withdrawn")
    stages = begun(store.jobs.add(NewJob("default", stages={"collect": {"dataset_id": old.id}})).id)
    with pytest.raises(UsageError, match="no consent"):
        stages.run()
    with pytest.raises(DataError, match="no consent"):
        stages.loop.train(old)
    assert canned.done == ("collect",)


def test_a_turn_of_a_given_dataset_leaves_newer_rows_unlearnt(
    store: SqlStore, canned: CannedParts, begun: Begun
) -> None:
    """The schedule goes on counting from the last turn over everything."""
    old = canned.build_dataset()
    begun(store.jobs.add(NewJob("default", stages={"collect": {"dataset_id": old.id}})).id).run()
    assert last_turn(store.state, "default") is None
    for lease, _ in store.leases.lost():
        store.leases.end(lease, "succeeded", RULE)
    begun(store.jobs.add(NewJob("default")).id).run()
    assert last_turn(store.state, "default") is not None


def test_an_adapter_that_was_judged_beside_an_older_release_is_judged_again(
    store: SqlStore, canned: CannedParts, begun: Begun
) -> None:
    """What went live meanwhile makes a try fail; the one after it judges beside that, and releases."""
    id = store.jobs.add(NewJob("default")).id
    other = replace(canned.build_dataset(), id=f"ds-{99:016x}")
    stages = begun(id)

    def overtake(step: str) -> None:
        if step == "gate":
            canned.before = lambda step: None
            loop = stages.loop
            adapter = loop.train(store.datasets.put(other), "other")
            loop.deploy(loop.gate(loop.evaluate(adapter)), adapter)

    canned.before = overtake
    with pytest.raises(StaleRelease):
        stages.run()
    live = store.releases.live("default")
    result = begun(id).run()
    assert live is not None
    assert result.report.baseline_id == live.adapter_id
    assert result.release is not None
    job = store.jobs.get(id)
    assert job is not None
    assert job.stages["evaluate"]["report_id"] == result.report.id
    assert result.decision.report_id == result.report.id


def test_a_release_that_was_made_and_not_recorded_is_not_judged_again(
    store: SqlStore, canned: CannedParts, begun: Begun
) -> None:
    """A try that died right after its release goes on with the report, the decision and the release it had."""
    id = store.jobs.add(NewJob("default")).id
    stages = begun(id)
    kept = stages.record
    stages.record = lambda stage, facts: kept(stage, facts) if stage != "deploy" else {}
    first = stages.run()
    store.consents.set("default", "mina", "withdrawn")
    again = begun(id).run()
    assert (again.release, again.report, again.dataset) == (first.release, first.report, first.dataset)
    assert canned.done.count("evaluate") == canned.done.count("train") == 1
