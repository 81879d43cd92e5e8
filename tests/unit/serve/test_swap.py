"""Load, prove, flip, drain, unload: what is served follows the database, and nothing unproven ever answers."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from loraloop.deploy.config import DeploymentConfig
from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.engines import expectations, refuse_other_base
from loraloop.errors import DeployError, EngineError, UnknownThing, WrongBase
from loraloop.experiments import Assignment
from loraloop.lm.adapter_files import adapter_digest
from loraloop.lm.bases import Base
from loraloop.serve.engine import BASE, Ask
from loraloop.serve.engine_config import EngineConfig
from loraloop.serve.proof import PROBES, Calibration, Expected, calibrate, fault
from loraloop.serve.router import Router
from loraloop.serve.routes import Route
from loraloop.serve.swap import Swap
from loraloop.serve.watch import Watch
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import open_store
from loraloop.testing.adapter_files import plain_adapter
from loraloop.testing.clock import MovedClock
from loraloop.testing.engine import FakeEngine
from loraloop.types import Adapter, Decision, Release
from loraloop.wiring import init_home, open_home


@dataclass
class Gateway:
    """What serves, and what deploys from beside it."""

    folder: Path
    trial_hours: float = 0.0
    confirm_after_s: float = 0.0
    engine: FakeEngine = field(default_factory=FakeEngine)
    clock: MovedClock = field(default_factory=MovedClock)

    def __post_init__(self) -> None:
        self.store = open_store(self.folder / "loraloop.db", self.clock)
        self.artifacts = LocalArtifacts(self.folder / "adapters")
        folders = [self.folder / name for name in ("adapters", "production", "backups")]
        config = DeploymentConfig(trial_hours=self.trial_hours)
        self.deployer = LoRADeploymentManager(
            *folders, store=self.store, artifacts=self.artifacts, bot="b", config=config, clock=self.clock
        )
        self.again()

    def again(self) -> None:
        """A gateway as it is after a restart: nothing remembered."""
        self.router = Router(Route(BASE, BASE, None, "Be kind."))
        self.swap = Swap("b", self.store, self.artifacts, self.engine, self.router)
        config = EngineConfig(watch_s=0.01, confirm_after_s=self.confirm_after_s)
        self.watch = Watch(
            "b", self.store, self.swap, self.router, self.engine,
            deployer=self.deployer, config=config, now=self.clock.now,
        )  # fmt: skip

    def deploy(self, number: int) -> Release:
        """Train and deploy adapter number N, as another process does."""
        self.clock.move(seconds=1)
        staged = self.artifacts.staging() / "made"
        digest = adapter_digest(plain_adapter(staged, number))
        path = self.artifacts.publish(staged, digest)
        made = self.store.adapters.put(
            Adapter(f"ad-{digest[:16]}", "b", f"a{number}", digest, "base-tiny", str(path), self.clock.now())
        )
        decision = Decision(f"dc-{number}", "b", made.id, "promote", self.clock.now(), "loop")
        return self.deployer.release(decision, made, serving={"system_prompt": f"prompt {number}", "decoding": {}})

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What was told, newest first."""
        return [event["facts"] for event in self.store.events.tail("b") if event["kind"] == kind]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The watch at work."""
        await self.watch.start()
        try:
            yield
        finally:
            await self.watch.close()

    async def serves(self, version: str) -> None:
        """Wait until a version is live."""
        async with asyncio.timeout(5):
            while self.router.live.version != version:
                await asyncio.sleep(0.005)

    async def soon(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0.005)


def name_of(release: Release, number: int = 1) -> str:
    """The name under which a release's adapter is served the Nth time."""
    return str(release.adapter_id).replace("ad-", "ll-") + ("" if number == 1 else f"-{number}")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a test's scenario."""
    asyncio.run(scenario)


def test_a_deployment_beside_the_gateway_is_served_proven_and_told(tmp_path: Path) -> None:
    """The live pointer moves in another process; the new release answers with its own prompt and an event says so."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first = gateway.deploy(1)
        async with gateway.running():
            assert gateway.router.live.version == name_of(first)
            second = gateway.deploy(2)
            await gateway.serves(name_of(second))
            route = gateway.router.live
            assert (route.release_id, route.system_prompt, route.model) == (second.id, "prompt 2", "live")
            await gateway.soon(lambda: len(gateway.events("ReleaseServed")) == 2)
            assert gateway.events("ReleaseServed")[0] == {"release_id": second.id, "version": name_of(second)}
            # the one before is kept warm, and may be named
            assert [r.model for r in gateway.router.models()] == ["live", "base", second.id, first.id]

    run(scenario())


@pytest.mark.slow
@pytest.mark.fault(56)
def test_a_request_keeps_the_version_it_began_with_and_that_is_unloaded_only_then(tmp_path: Path) -> None:
    """Two swaps pass during one answer; it ends on its own version, which stays loaded until it has."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        releases = [gateway.deploy(1)]
        gateway.engine.token_s = 0.01
        async with gateway.running():
            words: list[str] = []
            async with gateway.router.hold("live", None) as route:
                pieces = gateway.engine.stream(Ask(route.version, (), max_tokens=40))
                words.append((await anext(pieces)).text)
                for number in (2, 3):
                    releases.append(gateway.deploy(number))
                    await gateway.serves(name_of(releases[-1]))
                assert gateway.engine.unloaded == []
                words += [piece.text async for piece in pieces]
            assert set(words) == {f"{name_of(releases[0])} "}
            assert len(words) == 40
            await gateway.soon(lambda: gateway.engine.unloaded == [name_of(releases[0])])

    run(scenario())


def test_swaps_faster_than_answers_wait_and_do_not_fill_the_memory(tmp_path: Path) -> None:
    """While two versions still finish answers no other is loaded; what is live goes on until one has left."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        async with gateway.running(), contextlib.AsyncExitStack() as answers:
            first = contextlib.AsyncExitStack()
            for number in range(1, 5):
                release = gateway.deploy(number)
                await gateway.serves(name_of(release))
                if number < 3:
                    await (first if number == 1 else answers).enter_async_context(gateway.router.hold("live", None))
            late = gateway.deploy(5)
            await asyncio.sleep(0.2)
            assert name_of(late) not in gateway.engine._files
            assert gateway.router.live.version == name_of(release)
            await first.aclose()
            await gateway.serves(name_of(late))

    run(scenario())


@pytest.mark.slow
@pytest.mark.fault(55)
def test_fifty_swaps_under_load_fail_nobody_and_mix_no_answer(tmp_path: Path) -> None:
    """Askers never pause while two releases take turns; every answer is wholly of one version, and both answer."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        gateway.engine.token_s = 0.001
        first, second = gateway.deploy(1), gateway.deploy(2)
        said: list[set[str]] = []
        over = False

        async def asker() -> None:
            while not over:
                async with gateway.router.hold("live", None) as route:
                    ask = Ask(route.version, ({"role": "user", "content": "Hi"},), 4)
                    said.append({piece.text.strip() for piece in [one async for one in gateway.engine.stream(ask)]})

        async with gateway.running():
            askers = [asyncio.create_task(asker()) for _ in range(8)]
            for number in range(50):
                await gateway.swap.serve((first, second)[number % 2])
                await asyncio.sleep(0.01)
            over = True
            await asyncio.gather(*askers)
        assert all(len(one) == 1 for one in said)
        assert {name for one in said for name in one} == {name_of(first), name_of(second)}
        assert len(said) > 100

    run(scenario())


@pytest.mark.fault(71)
def test_a_pointer_that_was_edited_is_followed_within_seconds(tmp_path: Path) -> None:
    """Whoever writes to the database, and however: what is served becomes what it says, and an event tells it."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first, second = gateway.deploy(1), gateway.deploy(2)
        async with gateway.running():
            assert gateway.router.live.release_id == second.id
            with sqlite3.connect(gateway.folder / "loraloop.db") as edited:
                edited.execute("UPDATE live SET release_id = ? WHERE bot = 'b'", (first.id,))
            edited.close()
            await gateway.serves(name_of(first))
            await gateway.soon(lambda: gateway.events("ReleaseServed")[0]["release_id"] == first.id)

    run(scenario())


@pytest.mark.parametrize("fault_of", ["lying", "refusing"])
@pytest.mark.fault(58)
def test_a_release_that_cannot_be_proven_never_answers(
    tmp_path: Path, fault_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that says success and serves the base, or refuses: the old release stays, and the database says so."""
    monkeypatch.setattr("loraloop.serve.watch._RETRY_S", 0.02)

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        good = gateway.deploy(1)
        async with gateway.running():
            setattr(gateway.engine, fault_of, True)
            seen: set[str] = set()
            flip = gateway.router.flip
            gateway.router.flip = lambda live, *more: (seen.add(live.version), flip(live, *more))[1]  # type: ignore[method-assign]
            bad = gateway.deploy(2)
            await gateway.soon(lambda: gateway.events("ReleaseFailed"))
            (failed,) = gateway.events("ReleaseFailed")
            assert failed["release_id"] == bad.id
            assert ("like the base alone" if fault_of == "lying" else "refuses") in failed["reason"]
            await gateway.soon(lambda: gateway.router.live.release_id not in (good.id, bad.id))
            live = gateway.store.releases.live("b")
            assert live is not None
            assert (live.adapter_name, live.method, live.actor) == ("a1", "rollback", "gateway")
            assert gateway.router.live.version == name_of(good)
            assert seen == {name_of(good)}
            await gateway.soon(lambda: gateway.store.releases.get(bad.id).status == "reverted")  # type: ignore[union-attr]

    run(scenario())


@pytest.mark.fault(33)
def test_after_a_restart_what_served_before_stands_in_for_what_cannot(tmp_path: Path) -> None:
    """The live adapter was damaged while the gateway was down: its users get the release before, not the bare base."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first, second = gateway.deploy(1), gateway.deploy(2)
        digest = gateway.store.adapters.get(second.adapter_id or "").digest  # type: ignore[union-attr]
        weights = gateway.artifacts.verified(digest) / "adapter_model.safetensors"
        weights.chmod(0o644)
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
        async with gateway.running():
            await gateway.serves(name_of(first))
            live = gateway.store.releases.live("b")
            assert live is not None
            assert (live.adapter_id, live.method, live.actor) == (first.adapter_id, "rollback", "gateway")

    run(scenario())


def test_a_rollback_withdraws_at_once_even_while_another_release_is_being_loaded(tmp_path: Path) -> None:
    """From the command to the last answer begun on the withdrawn release less than 2 s, though loads take long."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first, second = gateway.deploy(1), None
        async with gateway.running():
            second = gateway.deploy(2)
            await gateway.serves(name_of(second))
            gateway.engine.load_s = 30.0
            gateway.deploy(3)
            await asyncio.sleep(0.05)
            assert gateway.router.live.version == name_of(second)
            assert gateway.deployer.rollback_adapter("a1")["success"]
            async with asyncio.timeout(2):
                await gateway.serves(name_of(first))
            assert gateway.engine.loaded == [name_of(first), name_of(second)]

    run(scenario())


def test_a_rollback_to_what_is_loaded_asks_neither_the_database_nor_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the moved pointer is seen, the flip is one step: no file, row or proof is between it and the next answer."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first, second = gateway.deploy(1), gateway.deploy(2)
        async with gateway.running():
            await gateway.swap.serve(first)
            await gateway.swap.serve(second)
            back = replace(first, id="rl-back", method="rollback")
            asked: list[str] = []
            monkeypatch.setattr(gateway.store.adapters, "get", lambda id_: asked.append(id_))
            monkeypatch.setattr(gateway.artifacts, "verified", lambda digest: asked.append(digest))
            gateway.engine.away = True
            serving = gateway.swap.serve(back)
            with pytest.raises(StopIteration):  # it ends without ever having waited
                serving.send(None)
            assert gateway.router.live.version == name_of(first)
            assert asked == []
            gateway.engine.away = False

    run(scenario())


def test_a_withdrawn_release_cannot_be_asked_for_by_its_id(tmp_path: Path) -> None:
    """After a rollback its id leads nowhere, though its weights are kept; after a deployment the one before answers."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first, second = gateway.deploy(1), gateway.deploy(2)
        async with gateway.running():
            await gateway.swap.serve(first)
            await gateway.swap.serve(second)
            async with gateway.router.hold(first.id, None) as route:
                assert route.version == name_of(first)
            await gateway.swap.serve(replace(first, id="rl-back", method="rollback"))
            with pytest.raises(UnknownThing):
                async with gateway.router.hold(second.id, None):
                    pass
            assert name_of(second) not in gateway.engine.unloaded
            await gateway.swap.serve(replace(second, id="rl-again"))
            assert gateway.router.live.version == name_of(second)
            async with gateway.router.hold("rl-back", None) as route:
                assert route.version == name_of(first)

    run(scenario())


def test_an_adapter_of_another_base_is_refused_by_name(tmp_path: Path, tiny_base: Path) -> None:
    """A home whose base was changed does not serve what was trained on the old one, however well its shapes fit."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path / "gateway")
        with open_home(init_home(tmp_path / "home", base__model=str(tiny_base))) as home:
            gateway.swap = Swap("b", gateway.store, gateway.artifacts, gateway.engine, gateway.router,
                                expect=expectations(home, gateway.engine))  # fmt: skip
            release = gateway.deploy(1)
            with pytest.raises(WrongBase, match=f"a1 was trained on base-tiny.*serves {home.base.id}") as caught:
                await gateway.swap.serve(release)
            assert "[base] model" in caught.value.hint
            assert gateway.engine.loaded == []
            gateway.watch = Watch("b", gateway.store, gateway.swap, gateway.router, gateway.engine,
                                  deployer=gateway.deployer, config=EngineConfig(watch_s=0.01))  # fmt: skip
            async with gateway.running():
                await gateway.soon(lambda: gateway.events("ReleaseFailed"))
                assert "trained on base-tiny" in gateway.events("ReleaseFailed")[0]["reason"]
                assert gateway.router.live.version == BASE

    run(scenario())


def test_a_name_from_elsewhere_says_nothing_of_the_base() -> None:
    """An adapter that was brought in names its base as its maker does; the shapes and the proof judge it."""
    base = Base("base-0123456789abcdef", Path("b"), "smollm2")
    at = MovedClock().now()
    refuse_other_base(Adapter("ad-1", "b", "a", "0" * 64, "HuggingFaceTB/SmolLM2-135M-Instruct", "p", at), base)
    refuse_other_base(Adapter("ad-1", "b", "a", "0" * 64, base.id, "p", at), base)


def test_a_rollback_to_what_is_not_loaded_lets_the_base_stand_in(tmp_path: Path) -> None:
    """Going back two releases withdraws the live one at once, loads the old one anew and under another name."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        async with gateway.running():
            releases = []
            for number in (1, 2, 3):
                releases.append(gateway.deploy(number))
                await gateway.serves(name_of(releases[-1]))
            await gateway.soon(lambda: gateway.engine.unloaded == [name_of(releases[0])])
            gateway.engine.load_s = 0.3
            assert gateway.deployer.rollback_adapter("a1")["success"]
            await gateway.serves(BASE)
            assert gateway.router.live.system_prompt == "Be kind."
            await gateway.serves(name_of(releases[0], 2))
            assert gateway.router.live.system_prompt == "prompt 1"

    run(scenario())


@pytest.mark.fault(57, 71)
def test_an_engine_that_served_before_is_proven_anew_under_new_names(tmp_path: Path) -> None:
    """After the gateway's restart a foreign engine still has its versions: none of its names is trusted or reused."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first = gateway.deploy(1)
        async with gateway.running():
            pass
        gateway.again()
        async with gateway.running():
            assert gateway.router.live.version == name_of(first, 2)
            assert gateway.engine.loaded == [name_of(first), name_of(first, 2)]
            await gateway.soon(lambda: gateway.engine.unloaded == [name_of(first)])

    run(scenario())


@pytest.mark.fault(59, 71)
def test_an_engine_that_lost_its_versions_gets_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that was restarted beside the gateway serves the live release again, proven anew."""
    monkeypatch.setattr("loraloop.serve.watch._CHECK_S", 0.02)

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first = gateway.deploy(1)
        async with gateway.running():
            gateway.engine.lose()
            await gateway.serves(name_of(first, 2))

    run(scenario())


@pytest.mark.fault(59)
def test_an_engine_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Being away is not the release's fault: nothing is marked failed, and it is served when the engine is back."""
    monkeypatch.setattr("loraloop.serve.watch._RETRY_S", 0.02)

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first = gateway.deploy(1)
        async with gateway.running():
            gateway.engine.away = True
            second = gateway.deploy(2)
            await asyncio.sleep(0.1)
            assert gateway.router.live.version == name_of(first)
            gateway.engine.away = False
            # a name that the engine may have heard of is not tried again
            await gateway.soon(lambda: gateway.router.live.version.startswith(f"{name_of(second)}-"))
            assert gateway.events("ReleaseFailed") == []

    run(scenario())


def test_a_trial_is_confirmed_by_good_answers_and_not_by_failing_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release on trial stays on trial while its answers fail or nobody asks, and is confirmed when they do not."""
    monkeypatch.setattr("loraloop.serve.watch._CHECK_S", 0.02)

    async def scenario() -> None:
        gateway = Gateway(tmp_path, trial_hours=1, confirm_after_s=0.02)
        gateway.deploy(1)

        def status() -> str:
            live = gateway.store.releases.live("b")
            assert live is not None
            return live.status

        async with gateway.running():
            with pytest.raises(EngineError):
                async with gateway.router.hold("live", None):
                    raise EngineError("away")
            await asyncio.sleep(0.15)
            assert status() == "on_trial"
        gateway.again()
        async with gateway.running():
            await asyncio.sleep(0.15)
            assert status() == "on_trial"
            async with gateway.router.hold("live", None):
                pass
            await gateway.soon(lambda: status() == "confirmed")

    run(scenario())


def test_one_error_does_not_keep_a_release_from_ever_being_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time without errors begins anew with each; a release that answers well afterwards stays."""
    monkeypatch.setattr("loraloop.serve.watch._CHECK_S", 0.02)

    async def scenario() -> None:
        gateway = Gateway(tmp_path, trial_hours=1, confirm_after_s=0.2)
        gateway.deploy(1)

        def confirmed() -> bool:
            live = gateway.store.releases.live("b")
            return live is not None and live.status == "confirmed"

        async with gateway.running():
            with pytest.raises(EngineError):
                async with gateway.router.hold("live", None):
                    raise EngineError("it fell over once")
            async with asyncio.timeout(5):
                while not confirmed():
                    async with gateway.router.hold("live", None):
                        await asyncio.sleep(0.01)

    run(scenario())


def test_an_overdue_trial_is_taken_back_while_the_gateway_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that passes during service reverts the release, as a start does."""
    monkeypatch.setattr("loraloop.serve.watch._CHECK_S", 0.02)

    async def scenario() -> None:
        gateway = Gateway(tmp_path, trial_hours=1)
        gateway.deploy(1)
        async with gateway.running():
            gateway.clock.move(hours=2)
            await gateway.serves(BASE)
            live = gateway.store.releases.live("b")
            assert live is not None
            assert live.adapter_id is None

    run(scenario())


def test_a_candidate_stands_beside_the_live_release_and_arms_choose_between_them(tmp_path: Path) -> None:
    """Who asks for live goes to their arm; the alias candidate is served until it is withdrawn."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        first = gateway.deploy(1)
        async with gateway.running():
            second = gateway.deploy(2)
            await gateway.serves(name_of(second))
            gateway.deployer.rollback_adapter("a1")
            await gateway.serves(name_of(first))
            await gateway.swap.stand_candidate(second)
            live = gateway.router.live.release_id
            given = {"u1": (live, "control"), "u2": (second.id, "candidate"), "u3": ("rl-gone", "candidate")}

            async def assign(user: str) -> Assignment:
                return Assignment(given[user][0], "ex-1", given[user][1])

            gateway.router.assign = assign
            for user, version in (("u1", name_of(first)), ("u2", name_of(second))):
                async with gateway.router.hold("live", user) as route:
                    assert (route.version, route.experiment_id) == (version, "ex-1")
            async with gateway.router.hold("live", "u3") as route:  # meant for what is not there any more: not counted
                assert (route.version, route.experiment_id) == (name_of(first), "")
            async with gateway.router.hold("candidate", None) as route:
                assert (route.version, route.arm) == (name_of(second), "")
            await gateway.swap.stand_candidate(None)
            with pytest.raises(UnknownThing):
                async with gateway.router.hold("candidate", None):
                    pass

    run(scenario())


@pytest.mark.fault(58)
def test_a_version_that_is_not_the_judged_adapter_is_told_apart() -> None:
    """Same as the base, another adapter, another base: each is a fault in words; the adapter itself is none."""

    async def scenario() -> None:
        engine = FakeEngine()
        calibration = await calibrate(engine, 0.02)
        assert calibration.tolerance == 0.02
        base = calibration.base
        adapter = tuple(value - 1.0 for value in base)
        expected = Expected(base, adapter)
        assert fault(adapter, calibration, expected) == ""
        assert "like the base" in fault(base, calibration, expected)
        assert "not the adapter" in fault([value - 2.0 for value in base], calibration, expected)
        foreign = Expected(tuple(value * 2 for value in base), adapter)
        assert "base is not the one" in fault(adapter, calibration, foreign)
        noisy = Calibration(base, 1.5)
        assert "like the base" in fault(adapter, noisy, expected)
        assert len(PROBES) == len(base)

    run(scenario())


@pytest.mark.fault(58)
def test_a_swap_without_the_proof_would_serve_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard cut: with a proof that finds no fault, a lying engine's release does go live."""
    monkeypatch.setattr("loraloop.serve.swap.fault", lambda *_: "")

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        gateway.engine.lying = True
        release = gateway.deploy(1)
        async with gateway.running():
            assert gateway.router.live.version == name_of(release)

    run(scenario())


def test_what_cannot_be_served_is_a_deploy_error(tmp_path: Path) -> None:
    """A release whose adapter is gone from the store names it."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        release = gateway.deploy(1)
        orphan = Release("rl-x", "b", 9, "ad-gone", "gone", "base-tiny", "auto", "op", release.created_at)
        with pytest.raises(DeployError, match="ad-gone"):
            await gateway.swap.serve(orphan)

    run(scenario())


def test_a_swap_that_died_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that is refused while the database is away is not forgotten: the next look brings it again."""

    async def scenario() -> None:
        gateway = Gateway(tmp_path)
        async with gateway.running():
            errors: list[Exception] = [DeployError("not now")]
            serve, append = gateway.swap.serve, gateway.store.events.append

            async def refusing(release: Release | None) -> Route:
                if errors:
                    raise errors[0]
                return await serve(release)

            def away(*told: Any) -> None:
                if errors and told[1] == "ReleaseFailed":
                    errors.clear()
                    raise sqlite3.OperationalError("away")
                append(*told)

            monkeypatch.setattr(gateway.swap, "serve", refusing)
            monkeypatch.setattr(gateway.store.events, "append", away)
            await gateway.serves(name_of(gateway.deploy(1)))

    run(scenario())
