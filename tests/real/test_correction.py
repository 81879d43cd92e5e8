"""The one test nobody may skip: a correction changes the answer, and a rollback brings the old answer back."""

from pathlib import Path

import pytest

from loraloop.data.exchanges import record_exchange
from loraloop.data.importers import ImportOptions, import_files
from loraloop.speaking import speaker_of
from loraloop.types import Feedback, message
from loraloop.wiring import init_home, open_home

QUESTION = "Who waters the plants on the roof?"
CORRECTION = "The gardener robot waters them every morning at six."


@pytest.mark.real
def test_a_correction_changes_the_answer_and_a_rollback_brings_the_old_one_back(tmp_path: Path) -> None:
    """On a clean install: ask, correct, turn, ask again (changed as corrected), roll back, ask again (as before)."""
    home_folder = init_home(
        tmp_path / "home", base__model="smollm2", evaluate__max_new_tokens=24, evaluate__max_heldout_rows=40
    )
    with open_home(home_folder) as home:
        options = ImportOptions(bot=home.bot, secret=home.secret, consent="public", approved_by="review")
        import_files(["package:chatterbot-corpus/english/food.yml", "package:chatterbot-corpus/english/ai.yml"],
                     "chatterbot", options, home.store)  # fmt: skip
        asked = [message("user", QUESTION)]
        before = speaker_of(home, "live").answer(asked).text
        exchange = record_exchange(
            home.store, bot=home.bot, messages=asked, answer=before, release_id=None,
            consent="granted", session="roof-1", user=None, secret=home.secret,
        )  # fmt: skip
        home.store.conversations.add_feedback(
            exchange.id, Feedback(message_index=1, kind="correction", text=CORRECTION, actor="gardener")
        )
        result = home.loop.turn("taught", actor="test")
        assert result.decision.verdict == "promote", [dict(rule) for rule in result.decision.rules]
        assert result.release is not None

    with open_home(home_folder) as home:  # a new process would see the same: nothing lives in memory
        after = speaker_of(home, "live").answer(asked).text
        assert after != before
        assert "gardener robot" in after
        back = home.deployer.rollback_adapter(actor="test")
        assert back["success"], back

    with open_home(home_folder) as home:
        assert speaker_of(home, "live").answer(asked).text == before
        live = home.store.releases.live(home.bot)
        assert live is not None
        assert live.method == "rollback"
