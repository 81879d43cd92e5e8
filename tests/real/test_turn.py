"""Whole turns of the loop on a tiny real model."""

import random
from pathlib import Path

import pytest

from loraloop.store.sql import open_store
from loraloop.types import Conversation, message, utc
from loraloop.wiring import Home, init_home, open_home

pytestmark = pytest.mark.real


def words(number: int, count: int) -> str:
    """Words of a made-up language, other ones for each number, so that no question is nearly another."""
    drawn = random.Random(number)
    syllables = [drawn.choice("bdfgklmnprst") + drawn.choice("aeiou") for _ in range(3 * count)]
    return " ".join("".join(syllables[n : n + 3]) for n in range(0, len(syllables), 3))


def conversations(begin: int, count: int) -> list[Conversation]:
    """Reviewed small talk that a tiny model can learn a little of."""
    return [
        Conversation(
            id=f"cv-{n:016x}",
            bot="default",
            messages=(
                message("user", f"{words(n, 5)}?"),
                message("assistant", f"it is good for {words(-n, 1)}, of course", "review"),
            ),
            created_at=utc("2026-01-01T00:00:00") or utc("2026-01-01"),  # type: ignore[arg-type]
            source="test",
            consent="granted",
        )
        for n in range(begin, begin + count)
    ]


def make_home(tiny_base: Path, folder: Path) -> Path:
    """A home whose gate looks at the held-out loss alone (a tiny random model passes no keyword case)."""
    suite = folder / "suite.json"
    suite.write_text('{"items": [{"prompt": "hello"}, {"prompt": "what is it"}]}')
    return init_home(
        folder / "home", base__model=str(tiny_base), evaluate__suites=[str(suite)], evaluate__max_new_tokens=8,
        gate__min_heldout_rows=2, gate__latency_floor_s=5.0, train__learning_rate=5e-3,
    )  # fmt: skip


def current_files(home: Home) -> dict[str, bytes]:
    """The bytes older callers read under production/current."""
    current = home.deployer.production_dir / "current"
    return {path.name: path.read_bytes() for path in current.iterdir() if path.suffix == ".safetensors"}


def test_a_turn_promotes_and_a_second_builds_on_it_and_a_rollback_restores_the_bytes(
    tiny_base: Path, tmp_path: Path
) -> None:
    """Two turns, each judged against the one before; going back restores the very bytes; nothing is trained twice."""
    folder = make_home(tiny_base, tmp_path)
    with open_home(folder) as home:
        home.store.conversations.add(conversations(0, 120))
        first = home.loop.turn("first", actor="test")
        assert first.decision.verdict == "promote", [dict(rule) for rule in first.decision.rules]
        assert first.release is not None
        assert first.release.serving["template_digest"] == home.template.digest
        before = current_files(home)

    with open_home(folder) as home:
        again = home.loop.turn("again", actor="test")
        assert again.adapter.id == first.adapter.id
        assert again.decision.verdict == "inconclusive"
        assert again.release is None
        home.store.conversations.add(conversations(200, 120))
        second = home.loop.turn("second", actor="test")
        assert second.adapter.id != first.adapter.id
        assert second.report.baseline_id == first.adapter.id
        assert {score.subject for score in second.report.scores} == {"candidate", "live", "base"}
        if second.release is None:  # a refusal is an answer too; release it by hand to have something to go back from
            second_release = home.deployer.release(second.decision, second.adapter, actor="test", method="force")
            assert second_release.method == "force"
        assert current_files(home) != before
        back = home.deployer.rollback_adapter(actor="test")
        assert back["success"], back
        assert current_files(home) == before
        live = home.loop.live_adapter()
        assert live is not None
        assert live.id == first.adapter.id
        to_base = home.deployer.rollback_adapter(actor="test")
        assert to_base["target_adapter"] == "base"
        assert home.loop.live_adapter() is None
        assert home.deployer.get_current_production_info() == {"status": "no_production_adapter"}


def test_every_value_of_a_turn_names_the_values_it_came_from(tiny_base: Path, tmp_path: Path) -> None:
    """From a release one can walk by ids to its decision, report, adapter, dataset and conversations."""
    folder = make_home(tiny_base, tmp_path)
    with open_home(folder) as home:
        home.store.conversations.add(conversations(0, 60))
        home.loop.turn("first", actor="test")
    store = open_store(folder / "loraloop.db")
    release = store.releases.history("default")[0]
    decision = store.decisions.get(release.decision_id or "")
    assert decision is not None
    report = store.reports.get(decision.report_id or "")
    assert report is not None
    adapter = store.adapters.get(report.adapter_id)
    assert adapter is not None
    dataset = store.datasets.get(adapter.dataset_id or "")
    assert dataset is not None
    assert all(store.conversations.get(row.conversation_id) for row in dataset.rows)
    kinds = {event["kind"] for event in store.events.tail("default")}
    assert {"DatasetBuilt", "AdapterTrained", "AdapterEvaluated", "AdapterDecided", "ReleasePublished"} <= kinds
    store.close()
