"""What a gateway of a home is made of below its HTTP: the engine, the routes, the swap, the watch over the pointer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import EngineError, WrongBase
from .experimenting import desk_of
from .lm.bases import Base
from .lm.child import run_child
from .serve.candidate import CandidateWatch
from .serve.embedded import EmbeddedEngine
from .serve.engine import BASE, Engine
from .serve.engine_config import EngineConfig
from .serve.loops import Loop
from .serve.metrics import Metrics
from .serve.proof import PROBES, PROBES_ID, Expected
from .serve.router import Router
from .serve.routes import Route
from .serve.swap import Expect, Swap
from .serve.trials import Trials
from .serve.watch import Watch
from .types import Adapter
from .wiring import Home


def engine_of(home: Home, config: EngineConfig | None = None) -> Engine:
    """The engine that the home's settings name, or ``config`` in their place."""
    from .serve.vllm import VllmEngine

    config = config or home.settings.engine
    return VllmEngine(config) if config.kind == "vllm" else embedded_engine(home)


def embedded_engine(home: Home) -> EmbeddedEngine:
    """The embedded engine over the home's base; its process writes to ``engine.log``."""
    return EmbeddedEngine(home.base.folder, home.settings.engine, log_path=home.folder / "engine.log")


def router_of(home: Home) -> Router:
    """The routes, with the base alone answering as the settings say until a release is served."""
    base = home.settings.base
    return Router(Route(BASE, BASE, None, base.system_prompt, base.decoding()))


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts of a gateway below its HTTP.

    Attributes:
        watch: follows what is live. candidate: follows the running experiment. trials: deals users to it.
        metrics: where all of them count.
    """

    engine: Engine
    router: Router
    swap: Swap
    watch: Watch
    candidate: CandidateWatch
    trials: Trials
    metrics: Metrics

    @property
    def loops(self) -> tuple[Loop, ...]:
        """What must go on for as long as it serves."""
        return self.watch.loop, self.candidate.loop, self.trials.loop

    async def start(self) -> None:
        """Bring up the engine and what is live, then follow what becomes live and what is tried."""
        await self.engine.start()
        await self.watch.start()
        await self.candidate.start()
        await self.trials.start()

    async def close(self) -> None:
        """Stop following, then let go of the engine."""
        async with AsyncExitStack() as rest:  # the last one pushed is closed first, and each whatever another raises
            for part in (self.engine, self.watch, self.candidate, self.trials):
                rest.push_async_callback(part.close)


def serving_of(home: Home, *, engine: Engine | None = None) -> Serving:
    """The parts, put together and not started.

    Args:
        engine: ``None`` for the one that the settings name.
    """
    engine, config, metrics = engine or engine_of(home), home.settings.engine, Metrics()
    trials = Trials(desk_of(home), engine, metrics, home.settings.serve.experiment_check_s)
    router = router_of(home)
    router.assign = trials.assign
    swap = Swap(
        home.bot,
        home.store,
        home.artifacts,
        engine,
        router,
        expect=expectations(home, engine),
        tolerance=config.proof_tolerance_nats,
    )
    watch = Watch(
        home.bot, home.store, swap, router, engine, deployer=home.deployer, config=config, swapped=metrics.swapped
    )  # fmt: skip
    candidate = CandidateWatch(home.bot, home.store, swap, engine, trials=trials, watch_s=config.watch_s)
    return Serving(engine, router, swap, watch, candidate, trials, metrics)


def expectations(home: Home, engine: Engine) -> Expect:
    """What an adapter's files give, computed once by a process of its own and kept in the database.

    An adapter that was trained on another base than the home's is refused: its layers may well fit by their shapes.
    """

    async def expect(adapter: Adapter, files: Path) -> Expected | None:
        refuse_other_base(adapter, home.base)
        facts: Mapping[str, Any] = getattr(engine, "facts", {})
        dtype, device = str(facts.get("dtype", "auto")), str(facts.get("device", "auto"))
        key = f"proof:{PROBES_ID}:{home.base.id}:{dtype}:{device}:{adapter.digest}"
        found: Any = await asyncio.to_thread(home.store.state.read, key)
        if found is None:
            found = await asyncio.to_thread(_computed, home, files, dtype, device)
            await asyncio.to_thread(home.store.state.write, key, found)
        return Expected(tuple(found["base"]), tuple(found["adapter"]))

    return expect


def refuse_other_base(adapter: Adapter, base: Base) -> None:
    """See that an adapter was trained on the base that serves; a name from elsewhere says nothing of that.

    Raises:
        WrongBase: it was trained on another.
    """
    if adapter.base_id.startswith("base-") and adapter.base_id != base.id:
        raise WrongBase(
            f"adapter {adapter.name} was trained on {adapter.base_id}; this gateway serves {base.id} ({base.source})",
            hint="set [base] model back and start the gateway again, or turn the loop, so that this base gets its own",
        )


def _computed(home: Home, files: Path, dtype: str, device: str) -> dict[str, Any]:
    spec = {
        "base": str(home.base.folder),
        "adapter": str(files),
        "dtype": dtype,
        "device": device,
        "probes": [{"messages": [dict(m) for m in probe.messages], "answer": probe.answer} for probe in PROBES],
    }
    return run_child("loraloop.lm.proof_child", spec, lambda fact: None, died=EngineError)
