"""A person is forgotten: no byte is left, what learnt from them leaves service, and no backup brings them back."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loraloop.data.exchanges import give_feedback, record_exchange
from loraloop.errors import ArtifactError, DataError, LoraloopError, StoreError
from loraloop.failpoints import armed
from loraloop.job_running import turn_by_hand
from loraloop.settings import load_settings
from loraloop.store.database import Database
from loraloop.testing.clock import MovedClock
from loraloop.types import message
from loraloop.wiring import Home, open_home

pytestmark = pytest.mark.real  # each needs a home whose live adapter was trained
Command = Callable[..., Any]

TOKEN = "Zwetschgenknoedelpflaume"
SAID = f"the {TOKEN} is what my dragon ate on sunday evening"


def bytes_of(folder: Path, needle: str = TOKEN) -> list[str]:
    """Every file of a home that holds some text."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in files if needle.encode() in path.read_bytes()]


def talk(home: Home, user: str = "mina", count: int = 3) -> list[str]:
    """What a person says and corrects, so that it is learnt."""
    ids = []
    for number in range(count):
        asked = [message("user", f"{SAID} {number}, what is it?")]
        said = record_exchange(home.store, bot=home.bot, messages=asked, answer=f"answer {number}", consent="granted",
                               user=user, session=f"s{number}", secret=home.secret)  # fmt: skip
        give_feedback(home.store, said.id, "correction", text=f"it is {SAID} again {number}.", actor=said.user or "")
        ids.append(said.id)
    return ids


@pytest.fixture(scope="session")
def taught_home(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose live adapter learnt from one person, made once; copy it before you touch it."""
    folder = tmp_path_factory.mktemp("taught") / "home"
    shutil.copytree(live_home, folder, symlinks=True)
    with open_home(folder) as home:
        ids = talk(home)
        dataset = home.loop.collect()
        adapter = home.loop.train(dataset, "second")
        decision = home.loop.gate(home.loop.evaluate(adapter), actor="test")
        home.deployer.release(decision, adapter, serving=home.serving(), actor="test", method="force")
        assert {row.conversation_id for row in dataset.rows} & set(ids)
    (folder / "export.jsonl").write_text(json.dumps({"text": SAID + " 0, what is it?"}) + '\n{"text": "another"}\n')
    (folder / "page.html").write_text(f"<p>it is {SAID} again 1.</p>")
    (folder / "loraloop.log").write_text(f"2026 INFO something about {ids[0]}\n2026 INFO plain\n")
    return folder


@pytest.fixture
def taught(taught_home: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    shutil.copytree(taught_home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def test_no_byte_is_left_and_the_receipt_names_nobody(taught: Path, command: Command) -> None:
    """Database, log, exports, pages and reports hold nothing of a forgotten person; what learnt from them is listed."""
    assert bytes_of(taught)
    said = command(taught, "forget", "mina", "--json")
    assert said.code == 0, said.err
    assert bytes_of(taught) == []
    assert said.json["conversations"] == 3
    assert len(said.json["adapters"]) == len(said.json["releases"]) == 1
    assert said.json["rebuild_due"]
    receipt = Path(said.json["receipt"]).read_text()
    assert TOKEN not in receipt
    assert "u-" not in receipt
    with open_home(taught) as home:
        assert home.store.conversations.count(home.bot) == 60
        assert json.loads(command(taught, "status", "--json").out)["owed"]
        readings = {reading.trigger: reading.fires for reading in home.scheduler.explain()}
        assert readings["owed"]
    assert "another" in (taught / "export.jsonl").read_text()
    assert "plain" in (taught / "loraloop.log").read_text()
    assert not (taught / "page.html").exists()


def test_damaged_copies_of_what_learnt_from_them_go_too(taught: Path) -> None:
    """An adapter that was set aside for a look is weights that remember, whether it can be loaded or not."""
    with open_home(taught) as home:
        live = home.loop.live_adapter()
        assert live is not None
        for digest in (live.digest, "f" * 64):
            (taught / "damaged" / f"{digest[:16]}-20260301-120000-000000001").mkdir(parents=True)
        home.forgetting.forget(home.pseudonyms("mina"), now=True)
    assert [path.name[:4] for path in (taught / "damaged").iterdir()] == ["ffff"]


def test_without_rewriting_the_file_the_bytes_are_still_there(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard is needed: deleting rows alone leaves their bytes in the database or its log."""
    monkeypatch.setattr(Database, "scrub", lambda self: None)
    with open_home(taught) as home:
        home.forgetting.forget(home.pseudonyms("mina"))
        assert any(name.startswith("loraloop.db") for name in bytes_of(taught))


def test_now_takes_the_live_adapter_out_of_service(taught: Path, command: Command) -> None:
    """With --now the live release is an untouched one at once, and the touched adapter can never be released again."""
    said = command(taught, "forget", "mina", "--now", "--json")
    (went,) = said.json["rolled_back_to"].values()
    assert went == "first"
    with open_home(taught) as home:
        live = home.store.releases.live(home.bot)
        assert live is not None
        assert live.adapter_name == "first"
        assert home.store.erasures.owed() == []
        (touched,) = said.json["adapters"]
        digest = home.store.adapters.get(touched).digest  # type: ignore[union-attr]
        assert digest not in home.artifacts.digests()
        back = home.deployer.rollback_adapter("second")
        assert not back["success"]
        gone = home.store.releases.get(said.json["releases"][0])
        with pytest.raises(ArtifactError, match="forgotten"):
            home.store.releases.publish(
                type(gone)(**{**{f: getattr(gone, f) for f in gone.__slots__}, "id": "rl-x", "version": 99}),
                live.version,
            )  # type: ignore[arg-type, union-attr]


@pytest.mark.parametrize("point", ["forget.remembered", "forget.erased", "forget.recorded", "forget.scrubbed"])
def test_an_erasure_that_was_cut_off_is_finished_when_the_home_is_opened(taught: Path, point: str) -> None:
    """Wherever it is cut: no byte is left, what learnt from the person is owed a rebuild, and the receipt is there."""
    with open_home(taught) as home, armed({point: "raise"}), pytest.raises((OSError, LoraloopError)):
        home.forgetting.forget(home.pseudonyms("mina"))
    with open_home(taught) as home:
        assert home.forgetting.owed(home.bot)
        assert bytes_of(taught) == []
        (erasure,) = home.store.erasures.owed()
        assert len(erasure.adapters) == 1
        receipt = json.loads((taught / "receipts" / f"{erasure.id}.json").read_text())
        assert receipt["adapters"] == list(erasure.adapters)
    with open_home(taught) as home:
        assert [one.id for one in home.store.erasures.all()] == [erasure.id]


def test_a_rebuilt_adapter_settles_what_is_owed(taught: Path, command: Command) -> None:
    """The next turn learns without the forgotten; once that is live nothing is owed and the old files are gone."""
    forgotten = command(taught, "forget", "mina", "--json").json
    with open_home(taught) as home:
        dataset = home.loop.collect()
        adapter = home.loop.train(dataset, "third")
        decision = home.loop.gate(home.loop.evaluate(adapter), actor="test")
        home.deployer.release(decision, adapter, serving=home.serving(), actor="test", method="force")
    with open_home(taught) as home:
        assert home.store.erasures.owed() == []
        assert home.forgetting.owed(home.bot) is None
        old = home.store.adapters.get(forgotten["adapters"][0])
        assert old is not None
        assert old.digest not in home.artifacts.digests()


def test_an_overdue_rebuild_is_rolled_back(taught: Path, command: Command) -> None:
    """Where nothing was rebuilt by the deadline, opening the home goes back to an untouched release and says so."""
    command(taught, "forget", "mina")
    with open_home(taught) as home:
        clock = MovedClock(datetime.now(UTC) + timedelta(days=30))
        home.forgetting._clock = clock
        (line,) = home.forgetting.settle()
        assert "went back to first" in line
        assert home.store.releases.live(home.bot).adapter_name == "first"  # type: ignore[union-attr]


def test_a_restored_backup_brings_nobody_back(taught: Path, command: Command, tmp_path: Path) -> None:
    """A home restored from before the erasure is cleaned when it is opened; imports of the same talk are refused."""
    with open_home(taught) as home:
        kept = list(home.store.conversations.iterate(home.bot))
    shutil.copytree(taught, tmp_path / "backup", symlinks=True)
    command(taught, "forget", "mina", "--now")
    shutil.rmtree(taught)
    shutil.copytree(tmp_path / "backup", taught, symlinks=True)
    assert bytes_of(taught)
    with open_home(taught) as home:
        assert any("restored backup" in line for line in home.recovered)
        assert bytes_of(taught) == []
        assert home.store.conversations.add(kept) == 0
        talk_again = record_exchange(home.store, bot=home.bot, messages=[message("user", SAID)], answer="x",
                                     consent="granted", user="mina", secret=home.secret)  # fmt: skip
        assert home.store.conversations.get(talk_again.id) is None
        assert home.forgetting.owed(home.bot)


@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_forgetting_while_a_turn_runs(a_home: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a turn makes of somebody who is forgotten meanwhile is dropped, and the next turn is without them."""
    with open_home(a_home) as home:
        talk(home)
        if step == "evaluate":
            home.loop.train(home.loop.collect(), "second")

        def forgets(real: Callable[..., object]) -> Callable[..., object]:
            def work(*given: object, **named: object) -> object:
                result = real(*given, **named)
                home.forgetting.forget(home.pseudonyms("mina"))
                return result

            return work

        with monkeypatch.context() as patched:
            if step == "train":
                patched.setattr(home.trainer, "train_lora_adapter", forgets(home.trainer.train_lora_adapter))
                with pytest.raises(DataError, match="forgotten"):
                    home.loop.train(home.loop.collect(), "second")
            else:
                patched.setattr(home.evaluator, "evaluate", forgets(home.evaluator.evaluate))
                with pytest.raises(DataError, match="forgotten"):
                    home.loop.evaluate(home.loop.find_adapter("second"))
        if step == "train":
            with pytest.raises(LoraloopError):
                home.loop.find_adapter("second")
        assert bytes_of(a_home) == []


@pytest.mark.fault(108)
@pytest.mark.parametrize("words", [("data", "consent", "mina", "--withdraw"), ("forget", "mina")])
def test_whoever_leaves_while_a_training_runs_is_in_nothing_that_serves(
    a_home: Path, words: tuple[str, ...], command: Command
) -> None:
    """The training that runs is of no use any more: no adapter, no file, no release; the next turn is without them."""
    steps: list[str] = []

    def leave(stage: str, done: int, total: int, **facts: float) -> None:
        if stage == "train" and not steps:
            assert command(a_home, *words).code == 0
        steps.append(stage)

    with open_home(a_home) as home:
        ids = set(talk(home))
        before = home.artifacts.digests()
        with pytest.raises(DataError):
            turn_by_hand(home, "second", "test", leave)
        assert "train" in steps
        assert home.artifacts.digests() == before
        assert not [path for path in home.folder.rglob("checkpoint-*") if path.is_dir()]
        assert home.store.releases.live(home.bot).adapter_name == "first"  # type: ignore[union-attr]
        result = turn_by_hand(home, "third", "test", None)
        assert not ids & {row.conversation_id for row in result.dataset.rows}
        assert home.store.jobs.list(home.bot)[0].status == "succeeded"


def test_a_withdrawal_takes_effect_at_the_next_dataset(a_home: Path, command: Command) -> None:
    """After a withdrawal the next dataset is without the person; restored, they are in it again."""
    with open_home(a_home) as home:
        ids = set(talk(home))
        in_dataset = lambda: ids & {row.conversation_id for row in home.loop.collect().rows}  # noqa: E731
        assert in_dataset()
        assert command(a_home, "data", "consent", "mina", "--withdraw").code == 0
        assert not in_dataset()
        assert set(home.store.conversations.drops(home.bot).values()) >= {"consent_withdrawn"}
        command(a_home, "data", "consent", "mina", "--restore", "--under-14")
        assert not in_dataset()
        assert "guardian_missing" in home.store.conversations.drops(home.bot).values()
        command(a_home, "data", "consent", "mina", "--guardian")
        assert in_dataset()


def test_pruning_erases_what_is_older_than_it_may_be_kept(a_home: Path, command: Command) -> None:
    """Old conversations go, new ones and public corpora stay, and without a number of days nothing is done."""
    with open_home(a_home) as home:
        talk(home)
    assert command(a_home, "data", "prune").code != 0
    assert command(a_home, "data", "prune", "--days", "30", "--dry-run", "--json").json["conversations"] == 60
    assert command(a_home, "data", "prune", "--days", "30", "--json").json["conversations"] == 60
    with open_home(a_home) as home:
        assert home.store.conversations.count(home.bot) == 3


def test_old_talk_is_pruned_once_a_day_and_the_file_is_not_rewritten_in_between(
    a_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bot with users has something that grows too old every minute, and each pruning rewrites the database."""
    rewritten: list[int] = []
    scrub = Database.scrub
    monkeypatch.setattr(Database, "scrub", lambda self: (rewritten.append(1), scrub(self))[1])
    settings = load_settings(a_home)
    privacy = settings.privacy.model_copy(update={"retention_days": 30})
    with open_home(a_home, settings=settings.model_copy(update={"privacy": privacy})) as home:
        assert home.store.conversations.count(home.bot) == 0
        assert len(rewritten) == 1
        talk(home)
        clock = MovedClock(datetime.now(UTC) + timedelta(days=30, minutes=1))
        home.forgetting._clock = clock
        home.forgetting.look_after()
        assert home.store.conversations.count(home.bot) == 0
        talk(home)
        clock.move(hours=23)
        home.forgetting.look_after()
        assert (home.store.conversations.count(home.bot), len(rewritten)) == (3, 2)
        clock.move(hours=2)
        home.forgetting.look_after()
        assert (home.store.conversations.count(home.bot), len(rewritten)) == (0, 3)


def test_old_talk_is_not_pruned_under_a_turn_that_uses_it(a_home: Path) -> None:
    """Else no training that is longer than a day of a busy bot would ever come to an end; the turn itself may prune."""
    settings = load_settings(a_home)
    privacy = settings.privacy.model_copy(update={"retention_days": 30})
    kept = settings.model_copy(update={"privacy": privacy})
    with open_home(a_home) as turner, turner.turn_lock.held(), open_home(a_home, settings=kept) as home:
        assert home.store.conversations.count(home.bot) == 60
    with open_home(a_home, settings=kept, tended=False) as home, home.turn_lock.held():
        home.forgetting.look_after()
        assert home.store.conversations.count(home.bot) == 0


def test_a_pruning_that_was_cut_off_is_finished_when_the_home_is_opened(
    a_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of what was kept too long are overwritten then."""
    with open_home(a_home) as home:
        talk(home)
        home.forgetting._clock = MovedClock(datetime.now(UTC) + timedelta(days=31))
        with monkeypatch.context() as patched:
            patched.setattr(Database, "scrub", lambda self: (_ for _ in ()).throw(StoreError("power is lost")))
            with pytest.raises(StoreError):
                home.forgetting.prune(30)
        assert bytes_of(a_home)
        with open_home(a_home):
            assert bytes_of(a_home) == []


def test_lineage_walks_both_ways(taught: Path, command: Command) -> None:
    """From a release to the rows that taught it, and from a row to the release it taught and that one's answers."""
    with open_home(taught) as home:
        live = home.store.releases.live(home.bot)
        assert live is not None
        row = next(row for row in home.store.datasets.list(home.bot, 1)[0].rows if row.split == "train")
        answer = home.record([message("user", "hello?")], "hi", consent="granted")
    up = command(taught, "lineage", live.id, "--json").json
    assert row.conversation_id in up["taught_by"]
    assert up["answers"] == [answer.id]
    down = command(taught, "lineage", row.conversation_id, "--json").json
    assert live.id in down["releases"]
    assert answer.id in down["answers"]
    of_answer = command(taught, "lineage", answer.id, "--json").json
    assert row.conversation_id in of_answer["taught_by"]
    assert command(taught, "lineage", "nothing").code != 0
