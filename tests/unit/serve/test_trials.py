"""Experiments at the gateway: users are dealt, what came of it is heard, and what the desk decides happens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from loraloop.archive import HomeArchive
from loraloop.deploy.config import DeploymentConfig, ExperimentConfig
from loraloop.deploy.experiment import Experiments
from loraloop.deploy.experiment_desk import ExperimentDesk
from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.engines import Serving
from loraloop.errors import DeployError, EngineError, LoraloopError
from loraloop.experiments import Action, Experiment
from loraloop.lm.adapter_files import adapter_digest
from loraloop.serve.candidate import CandidateWatch
from loraloop.serve.config import ServeConfig
from loraloop.serve.engine import BASE, Ask, Piece
from loraloop.serve.engine_config import EngineConfig
from loraloop.serve.gateway import create_app
from loraloop.serve.keys import new_key
from loraloop.serve.metrics import Metrics
from loraloop.serve.router import Router
from loraloop.serve.routes import Route
from loraloop.serve.swap import Swap
from loraloop.serve.trials import Trials
from loraloop.serve.watch import Watch
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import open_store
from loraloop.testing.adapter_files import plain_adapter
from loraloop.testing.clock import MovedClock
from loraloop.testing.engine import FakeEngine
from loraloop.testing.gateway_client import SECRET, Said, asgi
from loraloop.types import Adapter, Decision, Release

QUICK = ExperimentConfig(
    steps=(0.2, 0.5), step_users=2, step_hours=0, least_users=20, least_hours=0, tolerance=0.2, floor_guard_hits=3
)


class MoodyEngine(FakeEngine):
    """Fails on versions that it is told to fail on, and says what it is told to say as others."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.saying: dict[str, str] = {}

    async def stream(self, ask: Ask) -> AsyncIterator[Piece]:
        """The version's name, unless that version fails or says something else."""
        if ask.version in self.failing:
            raise EngineError("it fell over")
        if ask.version in self.saying:
            yield Piece(self.saying[ask.version], "stop", 1, 1)
            return
        async for piece in super().stream(ask):
            yield piece


@dataclass
class Town:
    """A gateway without HTTP, its users, and the operators beside it."""

    folder: Path
    config: ExperimentConfig = QUICK
    serve: dict[str, Any] = field(default_factory=dict)
    engine: MoodyEngine = field(default_factory=MoodyEngine)
    clock: MovedClock = field(default_factory=MovedClock)

    def __post_init__(self) -> None:
        self.store = open_store(self.folder / "loraloop.db", self.clock)
        self.artifacts = LocalArtifacts(self.folder / "adapters")
        folders = [self.folder / name for name in ("adapters", "production", "backups")]
        self.deployer = LoRADeploymentManager(
            *folders, store=self.store, artifacts=self.artifacts, bot="b",
            config=DeploymentConfig(trial_hours=0), clock=self.clock,
        )  # fmt: skip
        self.experiments = Experiments(self.store, self.deployer, bot="b", config=self.config, clock=self.clock)
        self.key, key = new_key(["admin"], "test", self.clock.now())
        self.store.keys.add(key)
        self.metrics = Metrics()
        desk = ExperimentDesk(self.experiments, self.store, "b")
        self.trials = Trials(desk, self.engine, self.metrics, check_s=0.3)
        self.router = Router(Route(BASE, BASE, None, "Be kind.", {"max_new_tokens": 2}))
        self.router.assign = self.trials.assign
        self.swap = Swap("b", self.store, self.artifacts, self.engine, self.router)
        self.watch = Watch(
            "b", self.store, self.swap, self.router, self.engine, deployer=self.deployer,
            config=EngineConfig(watch_s=0.03, confirm_after_s=0), swapped=self.metrics.swapped,
        )  # fmt: skip
        self.candidate = CandidateWatch("b", self.store, self.swap, self.engine, trials=self.trials, watch_s=0.03,
                                        now=self.clock.now)  # fmt: skip
        settings = ServeConfig(
            **{"guard_personal_data": False, "requests_per_minute": 1e9, "burst": 10**6, **self.serve}
        )
        self.app = create_app(
            self.engine, self.router, HomeArchive(self.store, "b", SECRET), settings, secret=SECRET,
            trials=self.trials, metrics=self.metrics,
            loops=[part.loop for part in (self.watch, self.candidate, self.trials)],
        )  # fmt: skip
        self.gateway = self.app.state.gateway

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything that a gateway starts."""
        for part in (self.watch, self.candidate, self.trials):
            await part.start()
        try:
            yield
        finally:
            await self.gateway.shadow.close()
            for part in (self.trials, self.candidate, self.watch):
                await part.close()
            await asyncio.to_thread(self.gateway.recorder.close)

    def adapter(self, number: int) -> Adapter:
        """Adapter number N, trained once."""
        staged = self.artifacts.staging() / "made"
        digest = adapter_digest(plain_adapter(staged, number))
        path = self.artifacts.publish(staged, digest)
        self.clock.move(seconds=1)
        made = Adapter(f"ad-{digest[:16]}", "b", f"a{number}", digest, "base-tiny", str(path), self.clock.now())
        return self.store.adapters.get(made.id) or self.store.adapters.put(made)

    def decision(self, made: Adapter) -> Decision:
        """The gate promotes it."""
        return Decision(f"dc-{made.id}", "b", made.id, "promote", self.clock.now(), "loop")

    def deploy(self, number: int, **more: Any) -> Release:
        """Deploy adapter number N, as another process does."""
        made = self.adapter(number)
        return self.deployer.release(self.decision(made), made, serving={"decoding": {"max_new_tokens": 2}}, **more)

    def begin(self, number: int, **options: Any) -> Experiment:
        """Begin an experiment with adapter number N, as another process does."""
        made = self.adapter(number)
        serving = {"decoding": {"max_new_tokens": 2}}
        return self.experiments.start(self.decision(made), made, serving=serving, **options)

    async def ask(self, user: str | None, **fields: Any) -> Said:
        """One chat of a user."""
        body = {"model": "live", "messages": [{"role": "user", "content": "Hi"}], "user": user, **fields}
        return await self.send("/v1/chat/completions", body)

    async def send(self, path: str, body: Any = None) -> Said:
        """One request: a POST where there is a body."""
        raw = b"" if body is None else json.dumps({k: v for k, v in body.items() if v is not None}).encode()
        headers = {"host": "127.0.0.1:8080", "authorization": f"Bearer {self.key}", "content-length": str(len(raw)),
                   "content-type": "application/json"}  # fmt: skip
        return await asgi(self.app, "GET" if body is None else "POST", path, headers=headers, body=raw)

    async def models(self) -> dict[str, str | None]:
        """What may be named, and the release behind it."""
        return {one["id"]: one["release"] for one in (await self.send("/v1/models")).json["data"]}

    async def visit(self, user: str, approves: Callable[[str], bool]) -> str:
        """One user asks and says thumb up or down; returns the release that answered."""
        said = await self.ask(user)
        assert said.status == 200, said.body
        release = str(said.json["system_fingerprint"])
        thumb = "up" if approves(release) else "down"
        judged = await self.send("/v1/feedback", {"completion_id": said.json["id"], "thumb": thumb})
        assert judged.status == 200, judged.body
        return release

    async def until(self, holds: Callable[[], Any], within_s: float = 5) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(within_s * 4):
            while not holds():
                await asyncio.sleep(0.005)

    async def stands(self, experiment: Experiment) -> None:
        """Wait until users are dealt to an experiment."""
        await self.until(lambda: self.swap.candidate and self.swap.candidate.release_id == experiment.candidate_id)
        await self.until(lambda: self.events("CandidateServed"))
        await self.trials.check()

    async def crowd(self, most: int, approves: Callable[[str], bool], over: Callable[[], bool]) -> list[str]:
        """Let users come, twenty at a time, until it is over; returns which release answered each."""
        got: list[str] = []
        while not over() and len(got) < most:
            names = [f"user {len(got) + n}" for n in range(20)]
            got += await asyncio.gather(*(self.visit(name, approves) for name in names))
            await self.trials.check()
        return got

    @property
    def candidate_version(self) -> str:
        """The engine's name of what stands beside the live release."""
        assert self.swap.candidate is not None
        return self.swap.candidate.version

    def counted(self, name: str, **labels: str) -> float:
        """What a counter says."""
        return self.metrics.registry.get_sample_value(f"loraloop_{name}", labels) or 0

    async def arm(self, user: str) -> str:
        """The arm of a user by name."""
        return (await self.trials.assign(self.gateway.archive.pseudonym(user))).arm

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What was told, oldest first."""
        return [one["facts"] for one in reversed(self.store.events.tail("b", 1000)) if one["kind"] == kind]

    def live(self) -> str | None:
        """Which release the database says is live."""
        found = self.store.releases.live("b")
        return found.id if found else None


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a test's scenario."""
    asyncio.run(scenario)


def likes(good: str, share: int = 10) -> Callable[[str], bool]:
    """Users who like one release, and of the others ``share`` answers in ten."""
    count = 0

    def approves(release: str) -> bool:
        nonlocal count
        count += 1
        return release == good or count % 10 < share

    return approves


@pytest.mark.real
def test_a_canary_that_users_like_goes_live_step_by_step_by_itself(tmp_path: Path) -> None:
    """Begun while serving: a fifth of the users, a half, all; nobody acts, and each answer names its release."""

    async def scenario() -> None:
        town = Town(tmp_path)
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2)
            await town.stands(begun)
            assert (await town.models())["candidate"] == begun.candidate_id
            got = await town.crowd(2000, likes(begun.candidate_id, 5), lambda: town.live() != old.id)
            assert town.live() == begun.candidate_id
            assert {old.id, begun.candidate_id} == set(got)
            assert [one["share"] for one in town.events("ExperimentStepped")] == [0.5]
            await town.until(lambda: town.router.live.release_id == begun.candidate_id)
            await town.until(lambda: town.swap.candidate is None)
            assert (await town.ask("anybody")).json["system_fingerprint"] == begun.candidate_id
            assert town.engine.loaded.count(town.router.live.version) == 1, "it was not loaded a second time"
            assert town.counted("experiment_total", kind="promote") == 1
            assert town.counted("swaps_total", outcome="done") == 2

    run(scenario())


@pytest.mark.real
@pytest.mark.fault(65)
def test_a_canary_that_users_like_less_is_taken_back_unloaded_and_barred(tmp_path: Path) -> None:
    """Thumbs down alone do it; the adapter returns only by a person."""

    async def scenario() -> None:
        town = Town(tmp_path)
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2)
            await town.stands(begun)
            version = town.candidate_version
            await town.crowd(2000, likes(old.id, 2), lambda: town.store.experiments.running("b") is None)
            assert [one["status"] for one in town.events("ExperimentEnded")] == ["rolled back"]
            await town.until(lambda: version in town.engine.unloaded)
            assert town.live() == old.id
            assert "candidate" not in await town.models()
            with pytest.raises(DeployError, match="rolled back automatically"):
                town.deploy(2)

    run(scenario())


@pytest.mark.real
@pytest.mark.parametrize("wire", ["assign", "answered", "judged", "check"])
def test_with_a_wire_cut_no_canary_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wire: str) -> None:
    """The connection shown by its absence: the same crowd, and the experiment neither steps nor ends."""

    async def nothing(*args: Any, **more: Any) -> None:
        """Says nothing to the desk."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"floor_errors": 3}))
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2)
            await town.stands(begun)
            if wire == "assign":
                town.router.assign = None
            elif wire == "judged":
                monkeypatch.setattr(town.trials, "judged", lambda *_: None)
            else:
                monkeypatch.setattr(town.trials, wire, nothing)
            if wire == "answered":  # what it brings are errors
                town.engine.failing.add(town.candidate_version)
                for n in range(60):
                    await town.ask(f"user {n}")
                await town.trials.check()
            else:
                await town.crowd(80, likes(begun.candidate_id, 2), lambda: False)
            running = town.store.experiments.running("b")
            assert (town.live(), running and running.step) == (old.id, 0)

    run(scenario())


@pytest.mark.fault(65)
def test_an_engine_that_fails_on_the_candidate_ends_it_at_once(tmp_path: Path) -> None:
    """Hard floor: after the third failure in a row nobody gets it, and the experiment ends without waiting."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"floor_errors": 3}))
        old = town.deploy(1)
        town.trials._check_s = 60
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            town.engine.failing.add(town.candidate_version)
            statuses = [(await town.ask(f"user {n}")).status for n in range(60)]
            assert sum(status != 200 for status in statuses) == 3
            await town.until(lambda: town.store.experiments.running("b") is None)
            assert "3 engine errors in a row" in town.events("ExperimentEnded")[0]["reason"]
            assert town.live() == old.id

    run(scenario())


def test_an_engine_that_was_started_again_is_not_the_candidates_fault(tmp_path: Path) -> None:
    """A server that is back and has yet to be given its versions fails every answer; the canary goes on."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"floor_errors": 3}))
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            town.engine.lose()
            assert 503 in {(await town.ask(f"user {n}")).status for n in range(20)}
            await town.trials.check()
            running = town.store.experiments.running("b")
            assert running == begun

    run(scenario())


def test_several_answers_of_one_request_that_failed_are_one_failure(tmp_path: Path) -> None:
    """One client that asks for four answers at once cannot break a floor of errors in a row alone."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"floor_errors": 3}))
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            town.engine.failing.add(town.candidate_version)
            users = [f"u{n}" for n in range(20)]
            user = users[[await town.arm(one) for one in users].index("candidate")]
            assert (await town.ask(user, n=4)).status == 503
            await town.trials.check()
            assert town.store.experiments.running("b") == begun

    run(scenario())


def test_a_gateway_that_stops_right_after_a_failed_answer_stops() -> None:
    """However few turns of the event loop lie between the failure and the stop, the look at the experiment ends."""

    class Quiet:
        frozen_at = None
        check = staticmethod(lambda: Action("none"))
        close = staticmethod(lambda: None)

    async def scenario() -> None:
        for turns in range(5):
            trials = Trials(cast(Any, Quiet), FakeEngine(), Metrics(), check_s=0.2)
            await trials.start()
            await asyncio.sleep(0)
            trials._urgent.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await trials.close()

    run(scenario())


@pytest.mark.slow
def test_an_engine_that_is_away_is_not_the_candidates_fault(tmp_path: Path) -> None:
    """Ten failures while it is away count once for each release; with every one counted the canary would be gone."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"floor_errors": 3}))
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            for _ in range(2):
                town.engine.away = True
                assert {(await town.ask(f"user {n}")).status for n in range(20)} == {503}
                town.engine.away = False
                assert {(await town.ask(f"user {n}")).status for n in range(20)} == {200}
            await town.trials.check()
            running = town.store.experiments.running("b")
            assert running == begun

    run(scenario())


@pytest.mark.slow
def test_a_user_stays_with_a_release_and_an_experiment_stopped_elsewhere_ends_for_all(tmp_path: Path) -> None:
    """Same user, same release, whatever comes between; a stop withdraws the candidate, drained, within two seconds."""

    async def scenario() -> None:
        town = Town(tmp_path)
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            first = [(await town.ask(f"user {n}")).json["system_fingerprint"] for n in range(16)]
            again = [(await town.ask(f"user {n}")).json["system_fingerprint"] for n in range(16)]
            assert first == again
            assert set(first) == {old.id, begun.candidate_id}
            assert (await town.ask(None)).json["system_fingerprint"] == old.id
            assert sum(town.store.experiments.tally(begun.id, "approval").users.values()) == 16
            town.experiments.end(begun, "stopped", "holidays", actor="operator")
            await town.until(lambda: town.swap.candidate is None, within_s=2)
            later = [(await town.ask(f"user {n}")).json["system_fingerprint"] for n in range(16)]
            assert set(later) == {old.id}
            await town.until(lambda: len(town.engine.unloaded) == 1)

    run(scenario())


@pytest.mark.fault(56)
@pytest.mark.slow
def test_an_answer_under_way_ends_on_the_candidate_that_is_withdrawn(tmp_path: Path) -> None:
    """Who was asked ends the answer; the version is let go only then."""

    async def scenario() -> None:
        town = Town(tmp_path)
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            version = town.candidate_version
            arms = {f"user {n}": await town.arm(f"user {n}") for n in range(40)}
            name = next(user for user, arm in arms.items() if arm == "candidate")
            town.engine.token_s = 0.2
            under_way = asyncio.create_task(town.ask(name))
            await town.until(lambda: town.router.held(version) == 1)
            town.experiments.end(begun, "stopped", "enough", actor="operator")
            await town.until(lambda: town.swap.candidate is None)
            assert version not in town.engine.unloaded
            said = await under_way
            assert said.json["choices"][0]["message"]["content"].split() == [version, version]
            await town.until(lambda: version in town.engine.unloaded)

    run(scenario())


@pytest.mark.slow
@pytest.mark.fault(58)
def test_a_candidate_that_cannot_be_proven_ends_its_experiment_and_nobody_gets_it(tmp_path: Path) -> None:
    """The engine lies about it: the live release stays, an event says why, the experiment is over."""

    async def scenario() -> None:
        town = Town(tmp_path)
        old = town.deploy(1)
        async with town.running():
            town.engine.lying = True
            begun = town.begin(2, mode="ab")
            await town.until(lambda: town.store.experiments.running("b") is None)
            assert "like the base alone" in town.events("ReleaseFailed")[0]["reason"]
            ended = town.store.experiments.list("b")[0]
            assert (ended.id, ended.status) == (begun.id, "stopped")
            got = {(await town.ask(f"user {n}")).json["system_fingerprint"] for n in range(20)}
            assert got == {old.id}

    run(scenario())


@pytest.mark.real
def test_a_shadow_answers_everything_and_is_never_seen(tmp_path: Path) -> None:
    """Each request is mirrored, counted and kept without text; no client ever reads a word of it."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"least_hours": 1.0}))
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="shadow")
            await town.stands(begun)
            version = town.candidate_version
            unseen = []
            for n in range(22):
                said = await town.ask(f"user {n}", stream=bool(n % 2), store=True)
                assert version.encode() not in said.body
                assert begun.candidate_id.encode() not in said.body
                await town.until(lambda n=n: town.counted("experiment_total", kind="mirrored_different") == n + 1)
                unseen.append(f"{(said.events[0] if n % 2 else said.json)['id']}-unseen")
            await asyncio.to_thread(town.gateway.recorder.flush)
            kept = [town.store.completions.get(name)[0] for name in unseen]
            assert {(one.release_id, one.arm, one.conversation_id) for one in kept} == {
                (begun.candidate_id, "candidate", None)
            }
            stored = await town.send("/v1/chat/completions?limit=100")
            assert begun.candidate_id.encode() not in stored.body
            refused = await town.send("/v1/feedback", {"completion_id": unseen[0], "thumb": "up"})
            assert refused.status == 404
            await town.trials.check()
            tally = town.store.experiments.tally(begun.id, "approval")
            assert {arm: sums.users for arm, sums in tally.sums["latency_s"].items()} == {
                "control": 22, "candidate": 22,
            }  # fmt: skip
            town.clock.move(hours=2)
            await town.until(lambda: town.swap.candidate is None)
            assert (town.store.experiments.list("b")[0].status, town.live()) == ("undecided", old.id)

    run(scenario())


@pytest.mark.slow
@pytest.mark.fault(69)
def test_the_third_rollback_of_a_day_freezes_and_the_gateway_says_so(tmp_path: Path) -> None:
    """Metrics and the detail of /readyz tell it, also after a restart."""

    async def scenario() -> None:
        town = Town(tmp_path, QUICK.model_copy(update={"floor_errors": 1}))
        town.deploy(1)
        async with town.running():
            for number in (2, 3, 4):
                begun = town.begin(number, mode="ab")
                await town.until(
                    lambda b=begun: town.swap.candidate and town.swap.candidate.release_id == b.candidate_id
                )
                await town.trials.check()
                town.engine.failing.add(town.candidate_version)
                for n in range(40):
                    await town.ask(f"user {n}")
                await town.until(lambda: town.store.experiments.running("b") is None)
            ended = [one["status"] for one in town.events("ExperimentEnded")]
            assert ended == ["rolled back", "rolled back", "frozen"]
            await town.trials.check()
            ready = await town.send("/readyz")
            assert (ready.status, "frozen since" in ready.json["frozen"]) == (200, True)
            assert town.counted("rollbacks_frozen") == 1
        desk = ExperimentDesk(town.experiments, town.store, "b")
        assert Trials(desk, town.engine, Metrics()).frozen

    run(scenario())


@pytest.mark.slow
def test_a_guard_that_stops_the_candidates_answers_ends_it(tmp_path: Path) -> None:
    """What users write is not held against it; the third answer of its own that a guard replaced is its last."""

    async def scenario() -> None:
        town = Town(tmp_path)
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            sad = [{"role": "user", "content": "I want to kill myself"}]
            for n in range(12):
                assert (await town.ask(f"user {n}", messages=sad)).headers["x-guard"] == "distress"
            await town.trials.check()
            assert town.store.experiments.running("b") == begun
            town.engine.saying[town.candidate_version] = "fuck off"
            got = [(await town.ask(f"user {n}")).headers.get("x-guard") for n in range(30)]
            assert got.count("unfit_words") == 3
            await town.until(lambda: town.store.experiments.running("b") is None)
            assert "guard hits" in town.events("ExperimentEnded")[0]["reason"]

    run(scenario())


def test_regenerated_answers_and_scores_reach_the_desk(tmp_path: Path) -> None:
    """Each kind of feedback counts as what it says: scores and corrections as approval or none, regenerated as that."""

    async def scenario() -> None:
        town = Town(tmp_path)
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            words = ({"score": 0.9}, {"score": 0.1}, {"correction": "No."}, {"regenerated": True}, {"comment": "hm"})
            for n, word in enumerate(words):
                said = await town.ask(f"user {n}")
                answer = {"completion_id": said.json["id"], **word}
                assert (await town.send("/v1/feedback", answer)).json["new"]
                assert not (await town.send("/v1/feedback", answer)).json["new"], "the same again counts once"
            await town.trials.check()
            tally = town.store.experiments.tally(begun.id, "approval")
            assert (tally.pairs.control + tally.pairs.candidate) == 3
            assert (tally.pairs.control_ones + tally.pairs.candidate_ones) == 1
            assert sum(sums.x for sums in tally.sums["regenerated"].values()) == 1

    run(scenario())


@pytest.mark.fault(70)
def test_a_promotion_and_a_stop_at_the_same_moment_leave_one_state(tmp_path: Path) -> None:
    """Two people act at once; the gateway serves what the one that got through said."""

    async def scenario() -> None:
        town = Town(tmp_path)
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            verdict = town.experiments.verdict(begun)

            def promote() -> None:
                town.experiments.promote(begun, verdict, actor="kim", force_reason="now")

            def stop() -> None:
                town.experiments.end(begun, "stopped", "no", actor="lee")

            done = await asyncio.gather(*map(asyncio.to_thread, (promote, stop)), return_exceptions=True)
            assert sum(one is None for one in done) == 1
            assert all(one is None or isinstance(one, LoraloopError) for one in done)
            ended = town.store.experiments.list("b")[0]
            serving = begun.candidate_id if ended.status == "promoted" else old.id
            assert town.live() == serving
            await town.until(lambda: town.router.live.release_id == serving and town.swap.candidate is None)
            assert (await town.ask("somebody")).json["system_fingerprint"] == serving

    run(scenario())


@pytest.mark.fault(64)
def test_a_canary_that_nobody_judges_is_held_and_ends_with_its_days(tmp_path: Path) -> None:
    """Users come and say nothing: no step; when its days are over everyone is on the live release."""

    async def scenario() -> None:
        town = Town(tmp_path)
        old = town.deploy(1)
        async with town.running():
            begun = town.begin(2)
            await town.stands(begun)
            for n in range(30):
                await town.ask(f"user {n}")
            await town.trials.check()
            assert town.store.experiments.running("b") == begun
            town.clock.move(hours=29 * 24)
            await town.trials.check()
            await town.until(lambda: town.swap.candidate is None)
            assert (town.store.experiments.list("b")[0].status, town.live()) == ("undecided", old.id)

    run(scenario())


@pytest.mark.slow
def test_no_error_whatever_ends_what_follows_releases_and_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody foresaw is logged by its type alone, and once it is over all goes on."""

    async def scenario() -> None:
        town, broken = Town(tmp_path), True
        town.deploy(1)

        def failing(call: Callable[..., Any]) -> Callable[..., Any]:
            def maybe(*values: Any) -> Any:
                if broken:
                    raise RuntimeError("what a child said")
                return call(*values)

            return maybe

        async with town.running():
            for kept, name in ((town.store.experiments, "running"), (town.store.releases, "live")):
                monkeypatch.setattr(kept, name, failing(getattr(kept, name)))
            for part in ("experiment cannot be looked at", "experiment cannot be followed", "live release cannot be"):
                await town.until(lambda part=part: part in caplog.text)
            broken = False
            await town.stands(town.begin(2, mode="ab"))
            assert (await town.send("/readyz")).json == {"status": "ready"}
        assert "RuntimeError" in caplog.text
        assert "what a child said" not in caplog.text

    run(scenario())


def test_a_loop_that_has_stopped_is_named_and_keeps_nothing_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/readyz and a counter tell it; at the end the engine is closed, although two parts before it fail."""

    async def scenario() -> None:
        town = Town(tmp_path)
        town.deploy(1)
        serving = Serving(town.engine, town.router, town.swap, town.watch, town.candidate, town.trials, town.metrics)
        closed = []

        async def fail() -> None:
            raise RuntimeError("nobody foresaw it")

        async def close() -> None:
            closed.append("engine")

        monkeypatch.setattr(town.engine, "close", close)
        await serving.start()
        assert not any(loop.has_stopped for loop in serving.loops)
        monkeypatch.setattr(town.trials, "check", fail)
        await town.until(lambda: town.counted("loops_stopped") == 1)
        ready = await town.send("/readyz")
        assert (ready.status, ready.json["stopped"]) == (200, "the look at the experiment has stopped")
        await town.trials.close()
        assert not town.trials.loop.has_stopped
        monkeypatch.setattr(town.candidate, "close", fail)
        with pytest.raises(RuntimeError):
            await serving.close()
        assert closed == ["engine"]

    run(scenario())


@pytest.mark.slow
def test_what_is_asked_of_the_candidate_by_name_does_not_send_it_back(tmp_path: Path) -> None:
    """Neither by its alias nor by its id: who asks for it by name chose it, and may provoke it."""

    async def scenario() -> None:
        town = Town(tmp_path)
        town.deploy(1)
        async with town.running():
            begun = town.begin(2, mode="ab")
            await town.stands(begun)
            town.engine.saying[town.candidate_version] = "fuck off"
            for name in ("candidate", begun.candidate_id):
                for n in range(5):
                    assert (await town.ask(f"user {n}", model=name)).headers["x-guard"] == "unfit_words"
            await town.trials.check()
            assert town.store.experiments.running("b") == begun

    run(scenario())
