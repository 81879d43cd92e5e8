"""The last act of the demo: a gateway in a process of its own, users over the openai client, and two canaries."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import EngineError, UsageError
from .demo_tables import escaped
from .messages import t

if TYPE_CHECKING:
    import openai

    from ..experiments import Experiment
    from ..types import Adapter
    from ..wiring import Home

Say = Callable[[str], None]

SETTINGS: dict[str, Any] = {
    "serve__experiment_check_s": 0.5,
    "serve__requests_per_minute": 100_000.0,
    "serve__burst": 1_000,
    "experiment__steps": [0.2, 0.5],
    "experiment__step_users": 1,
    "experiment__step_hours": 0.0,
    "experiment__least_users": 20,
    "experiment__least_hours": 0.0,
    "experiment__tolerance": 0.2,
    "experiment__latency_more": 4.0,
    "experiment__length_change": 4.0,
}
"""A month of users in a minute: no waits, few users, a wide tolerance. The tests and their error rates are as ever."""
WAVE = 32
"""Users who come at once."""
MOST_USERS = 640
"""Of one canary; it ends long before, unless it cannot be decided."""
ANSWER_TOKENS = 4
USUAL, LIKED, DISLIKED = 0.5, 0.97, 0.03
"""Shares of thumbs up that the simulated users give to what is live, to the good candidate and to the bad one."""


class ServedDemo:
    """Users of the demo's gateway.

    Args:
        home: the demo's, open in this process too. questions: what users ask.
        say: prints a line.
    """

    def __init__(self, home: Home, questions: Sequence[str], say: Say) -> None:
        self._home, self._questions, self._say = home, questions, say
        self._draws = random.Random(0)

    def play(self, adapters: Sequence[Adapter]) -> list[dict[str, Any]]:
        """Serve, chat, and try two candidates on users; returns what became of each.

        Args:
            adapters: which are tried; users like the first and not the second. One that is live is left out.

        Raises:
            UsageError: the openai client is not installed. EngineError: the gateway did not start.
        """
        with served(self._home) as (client, where):
            self._say(t("demo.serving", where=where))
            self._chat(client)
            self._say(t("demo.simulated", usual=f"{USUAL:.0%}", liked=f"{LIKED:.0%}", disliked=f"{DISLIKED:.0%}"))
            tried = zip(adapters, (LIKED, DISLIKED), strict=True)
            return [self._canary(client, one, liked) for one, liked in tried if not self._is_live(one)]

    def _chat(self, client: openai.OpenAI) -> None:
        for question in self._questions:
            said = client.chat.completions.create(
                model="live", messages=[{"role": "user", "content": question}], user="demo", store=True
            )
            text = escaped(said.choices[0].message.content or "")
            self._say(f"  [bold]{question}[/bold]\n    {text}  [dim]({said.system_fingerprint})[/dim]")

    def _canary(self, client: openai.OpenAI, adapter: Adapter, liked: float) -> dict[str, Any]:
        begun, started = self._begin(adapter), time.perf_counter()
        self._stands(client, begun)
        got, up, users = 0, 0, 0
        with ThreadPoolExecutor(WAVE) as crowd:
            while self._is_running(begun) and users < MOST_USERS:
                names = [f"{adapter.name}-{n}" for n in range(users, users + WAVE)]
                thumbs = list(crowd.map(lambda name: self._visit(client, name, begun.candidate_id, liked), names))
                users += len(thumbs)
                got += sum(one is not None for one in thumbs)
                up += sum(bool(one) for one in thumbs)
                time.sleep(0.2)  # a moment for the gateway's own look
        ended = self._home.store.experiments.list(self._home.bot, 1)[0]
        if ended.status == "running":
            from ..experimenting import experiments_of

            ended = experiments_of(self._home).end(ended, "stopped", "the demo ends", actor="demo")
        steps = [f"{share:.0%}" for share in ended.steps[: ended.step + 1]]
        told: dict[str, Any] = {
            "adapter": adapter.name, "experiment": ended.id, "release": ended.candidate_id, "users": users,
            "got_candidate": got, "thumbs_up": up, "steps": [*steps, *(["100%"] if ended.status == "promoted" else [])],
            "status": ended.status, "reason": ended.reason, "seconds": round(time.perf_counter() - started, 1),
        }  # fmt: skip
        said = t(f"experiment.status.{ended.status}")
        self._say(t("demo.ended", name=adapter.name, status=said, users=users, steps=" → ".join(told["steps"])))
        return told

    def _begin(self, adapter: Adapter) -> Experiment:
        """A canary, of what the gate promoted; what it held back a person forces here, and the history says so."""
        from ..experimenting import experiments_of
        from .steps import forced_decision

        home, why = self._home, ""
        decision = next((one for one in home.store.decisions.list(home.bot) if one.adapter_id == adapter.id), None)
        if decision is None or decision.verdict != "promote":
            why = "demo"
            decision = forced_decision(home, adapter, why, "demo")
        return experiments_of(home).start(decision, adapter, serving=home.serving(), actor="demo", force_reason=why)

    def _stands(self, client: openai.OpenAI, begun: Experiment) -> None:
        """Wait until the gateway has loaded and proven the candidate."""
        while self._is_running(begun):
            if any(one.id == "candidate" for one in client.models.list()):
                time.sleep(0.7)  # the look after that deals users to it
                return
            time.sleep(0.1)

    def _is_live(self, adapter: Adapter) -> bool:
        live = self._home.store.releases.live(self._home.bot)
        return live is not None and live.adapter_id == adapter.id

    def _is_running(self, begun: Experiment) -> bool:
        running = self._home.store.experiments.running(self._home.bot)
        return running is not None and running.id == begun.id

    def _visit(self, client: openai.OpenAI, user: str, candidate_id: str, liked: float) -> bool | None:
        """One user asks and sends a thumb; returns which, or ``None`` where another release answered."""
        question = self._questions[hash_of(user) % len(self._questions)]
        said = client.chat.completions.create(
            model="live", messages=[{"role": "user", "content": question}], user=user, max_tokens=ANSWER_TOKENS,
            store=False,
        )  # fmt: skip
        is_candidate = said.system_fingerprint == candidate_id
        up = self._draws.random() < (liked if is_candidate else USUAL)
        opinion = {"completion_id": said.id, "thumb": "up" if up else "down"}
        client.post("/feedback", body=opinion, cast_to=object)
        return up if is_candidate else None


def hash_of(user: str) -> int:
    """Return a number that is the same for a user each time."""
    return sum(user.encode())


@contextmanager
def served(home: Home) -> Iterator[tuple[openai.OpenAI, str]]:
    """``loraloop serve`` of a home on a free port in a process of its own, ended with the context.

    Raises:
        UsageError: the openai client is not installed. EngineError: the gateway did not start.
    """
    try:
        import openai
    except ImportError as error:
        raise UsageError("the openai client is not installed", hint="pip install 'loraloop[demo]'") from error
    from ..serve.keys import new_key

    folder = home.folder
    secret, key = new_key(["admin"], "demo", datetime.now(UTC))
    home.store.keys.add(key)
    command = [sys.executable, "-P", "-m", "loraloop", "--home", str(folder), "serve", "--port", "0", "--json"]
    with (folder / "gateway.log").open("ab") as words:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words)
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise EngineError("the gateway did not start", hint=f"see {folder / 'gateway.log'}")
        told = json.loads(line)
        if "url" not in told:
            raise EngineError(f"the gateway did not start: {told.get('error')}", hint=f"see {folder / 'gateway.log'}")
        with openai.OpenAI(base_url=told["url"], api_key=secret, max_retries=2) as client:
            yield client, told["url"]
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
