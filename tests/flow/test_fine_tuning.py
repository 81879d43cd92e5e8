"""Durable jobs over the gateway, with the official client."""

from collections.abc import Callable

import openai
import pytest
from test_gateway import Served, serve  # noqa: F401 - the fixture of a gateway on a real port

from loraloop.jobs import NewJob, RetryRule
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import START
from loraloop.types import Adapter, Dataset

RULE = RetryRule(delay_s=0)


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:  # noqa: F811
    """A gateway with an adapter and a dataset in its store."""
    made: Served = serve()
    store: SqlStore = made.client.store
    store.datasets.put(Dataset("ds-1", "default", (), START, {}))
    metrics = {"best_step": 12, "steps": 20, "train_loss": 1.25, "eval_loss": 1.5, "tokens": 4321}
    store.adapters.put(Adapter("ad-1", "default", "mine", "0" * 64, "base", "", START, metrics=metrics))
    return made


def finished(store: SqlStore, job_id: str, release_id: str | None = "rl-1") -> None:
    """Let a job be done as a worker would; without a release the gate held what it made."""
    lease = store.leases.take("", 100.0, job_id=job_id)
    assert lease is not None
    store.leases.record(lease, "train", {"adapter_id": "ad-1", "name": "mine"})
    store.leases.record(lease, "gate", {"decision_id": "dc-1", "verdict": "promote" if release_id else "hold"})
    store.leases.record(lease, "deploy", {"release_id": release_id})
    store.leases.end(lease, "succeeded", RULE)


@pytest.mark.slow
def test_the_official_client_drives_a_job_to_its_end(served: Served) -> None:
    """Create, retrieve, list, events and checkpoints, read by the real library's types."""
    client, store = served.openai("operator"), served.client.store
    made = client.fine_tuning.jobs.create(
        model="base", training_file="conversations", suffix="mine", metadata={"why": "점심"}, seed=0,
        method={"type": "supervised"},
    )  # fmt: skip
    assert (made.object, made.status, made.model, made.training_file) == (
        "fine_tuning.job", "queued", "tiny", "conversations")  # fmt: skip
    job = store.jobs.get(made.id)
    assert job is not None
    assert (job.name, job.metadata, job.actor) == ("mine", {"why": "점심"}, job.actor)
    assert job.actor.startswith("key:")
    finished(store, made.id)
    done = client.fine_tuning.jobs.retrieve(made.id)
    assert (done.status, done.fine_tuned_model, done.trained_tokens) == ("succeeded", "rl-1", 4321)
    assert done.finished_at is not None
    told = list(client.fine_tuning.jobs.list_events(made.id, limit=2))
    assert told[0].message == "The job is done."
    assert [one.message for one in told][-2:] == ["A worker has begun.", "The job waits for a worker."]
    assert len(told) == 6
    (checkpoint,) = client.fine_tuning.jobs.checkpoints.list(made.id)
    assert (checkpoint.step_number, checkpoint.metrics.valid_loss) == (12, 1.5)
    other = client.fine_tuning.jobs.create(model="tiny", training_file="ds-1")
    assert other.training_file == "ds-1"
    assert [one.id for one in client.fine_tuning.jobs.list(limit=1)] == [other.id, made.id]


def test_an_adapter_that_the_gate_held_is_no_model_to_ask(served: Served) -> None:
    """The job succeeded and says the verdict; a model that could be named was not made."""
    client, store = served.openai("operator"), served.client.store
    made = client.fine_tuning.jobs.create(model="base", training_file="conversations")
    finished(store, made.id, release_id=None)
    done = client.fine_tuning.jobs.retrieve(made.id)
    assert (done.status, done.fine_tuned_model) == ("succeeded", None)
    assert (done.model_extra or {})["verdict"] == "hold"


def test_the_official_client_stops_a_job_and_lets_it_go_on(served: Served) -> None:
    """Pause, resume and cancel; what cannot be done any more is refused by name, and another bot's job is unknown."""
    client = served.openai("operator")
    made = client.fine_tuning.jobs.create(model="base", training_file="conversations")
    assert client.fine_tuning.jobs.pause(made.id).status == "paused"
    assert client.fine_tuning.jobs.resume(made.id).status == "queued"
    assert client.fine_tuning.jobs.cancel(made.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.fine_tuning.jobs.cancel(made.id)
    foreign = served.client.store.jobs.add(NewJob("other")).id
    for call in (client.fine_tuning.jobs.retrieve, client.fine_tuning.jobs.cancel, client.fine_tuning.jobs.list_events):
        with pytest.raises(openai.NotFoundError):
            call(foreign)
    assert [one.id for one in client.fine_tuning.jobs.list()] == [made.id]


def test_what_cannot_be_trained_here_is_refused_by_the_field_at_fault(served: Served) -> None:
    """Uploads, other models, seeds, numbers and methods of a client's own are named, and nothing is enqueued."""
    client = served.openai("operator")
    wrong = {
        "training_file": {"training_file": "file-abc"},
        "seed": {"seed": 7},
        "suffix": {"suffix": "x" * 65},
        "method": {"method": {"type": "dpo"}},
        "hyperparameters": {"hyperparameters": {"n_epochs": 3}},
        "validation_file": {"validation_file": "file-abc"},
        "integrations": {"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]},
    }
    for field, given in wrong.items():
        with pytest.raises(openai.BadRequestError) as refused:
            client.fine_tuning.jobs.create(**{"model": "base", "training_file": "conversations", **given})
        assert refused.value.param == field
    for given in ({"model": "gpt-5"}, {"training_file": "ds-unknown"}):
        with pytest.raises(openai.NotFoundError):
            client.fine_tuning.jobs.create(**{"model": "base", "training_file": "conversations", **given})
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.create(model="base", training_file="conversations", suffix="../x")
    assert list(client.fine_tuning.jobs.list()) == []


def test_who_may_look_and_who_may_act(served: Served) -> None:
    """A viewer reads, only operator and admin enqueue and stop, and other keys do neither."""
    made = served.openai("admin").fine_tuning.jobs.create(model="base", training_file="conversations")
    viewer = served.openai("viewer").fine_tuning.jobs
    assert viewer.retrieve(made.id).id == made.id
    with pytest.raises(openai.PermissionDeniedError):
        viewer.cancel(made.id)
    with pytest.raises(openai.PermissionDeniedError):
        served.openai("chat").fine_tuning.jobs.list()


def test_the_same_idempotency_key_is_the_same_job(served: Served) -> None:
    """A client that repeats a request whose answer was lost enqueues one job."""
    jobs = served.openai("operator").fine_tuning.jobs
    headers = {"Idempotency-Key": "once"}
    made = [jobs.create(model="base", training_file="conversations", extra_headers=headers).id for _ in range(3)]
    assert len(set(made)) == 1


def test_a_job_that_was_put_aside_is_told_as_failed_with_its_reason(served: Served) -> None:
    """OpenAI's clients know no quarantine; the error's code says it."""
    client, store = served.openai("viewer"), served.client.store
    id = store.jobs.add(NewJob("default")).id
    for _ in range(2):
        lease = store.leases.take("", 100.0)
        assert lease is not None
        store.leases.end(lease, "crash", RULE, "it died")
    found = client.fine_tuning.jobs.retrieve(id)
    assert found.error is not None
    assert (found.status, found.error.code, found.error.message) == ("failed", "quarantined", "it died")
    assert next(iter(client.fine_tuning.jobs.list_events(id))).level == "error"
