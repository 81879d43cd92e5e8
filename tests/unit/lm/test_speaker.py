"""One loaded model that answers, and others of the same base beside it."""

from pathlib import Path

import pytest

from loraloop.errors import ConversationTooLong
from loraloop.lm.decode import Decoding
from loraloop.lm.speaker import Speaker
from loraloop.testing.wrappers import random_adapter
from loraloop.types import message

pytestmark = pytest.mark.slow

ASKED = [message("user", "hello there")]
DECODING = Decoding(max_new_tokens=12)


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny base that changes what it says."""
    return random_adapter(tiny_base, tmp_path_factory.mktemp("adapter") / "a")


def test_one_made_from_a_copy_answers_as_one_that_was_loaded(tiny_base: Path, adapter: Path) -> None:
    """The copy carries the adapter, and the base that it was made from stays the base."""
    base = Speaker(tiny_base, None, decoding=DECODING, dtype="float32")
    plain = base.answer(ASKED).text
    copied = base.beside(tiny_base, adapter, decoding=DECODING)
    assert copied is not None
    loaded = Speaker(tiny_base, adapter, decoding=DECODING, dtype="float32").answer(ASKED).text
    assert copied.answer(ASKED).text == loaded != plain
    assert base.answer(ASKED).text == plain


def test_another_base_and_merged_weights_are_never_copied(tiny_base: Path, adapter: Path, tmp_path: Path) -> None:
    """Who stands beside a speaker has its base; one with an adapter merged in has lost it."""
    base = Speaker(tiny_base, None, decoding=DECODING, dtype="float32")
    assert base.beside(tmp_path, None) is None
    worn = base.beside(tiny_base, adapter)
    assert worn is not None
    assert worn.beside(tiny_base, None) is None


def test_a_conversation_that_is_too_long_is_refused_at_once(tiny_base: Path) -> None:
    """Nothing is read of what the model cannot read as a whole; reading it would take minutes and give nonsense."""
    with pytest.raises(ConversationTooLong, match="the model reads 512"):
        Speaker(tiny_base, None, decoding=DECODING, dtype="float32").answer([message("user", "hello there " * 600)])
