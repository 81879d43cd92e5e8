"""Whoever is stored under a pseudonym is found by it, whatever its digits look like."""

import hmac
from itertools import count
from pathlib import Path

import pytest

from loraloop.data.exchanges import give_feedback, pseudonyms, record_exchange
from loraloop.data.messages import label, pseudonym
from loraloop.store.sql import open_store
from loraloop.text.redact import redact
from loraloop.types import message

SECRET = b"k" * 32


def like_a_telephone_number() -> str:
    """A name whose pseudonym redaction would take a part of: one in some thousands."""
    for number in count():
        digest = hmac.digest(SECRET, f"child{number}".encode(), "sha256").hex()[:16]
        if digest[:9].isdigit() and redact(f"u-{digest}").found:
            return f"child{number}"
    raise AssertionError


def test_a_pseudonym_like_a_telephone_number_is_stored_as_it_is(tmp_path: Path) -> None:
    """Else a person could neither be forgotten nor withdraw; what they say is redacted all the same."""
    user, store = like_a_telephone_number(), open_store(tmp_path / "x.db", keys=lambda: [SECRET])
    (own, *_) = pseudonyms(user, [SECRET])
    assert own == pseudonym(user, SECRET)
    said = record_exchange(
        store, bot="b", messages=[message("user", "call 02-689-8893")], answer="no", user=user, secret=SECRET
    )
    assert said.user == own
    assert "689" not in said.messages[0].text
    assert give_feedback(store, said.id, "thumb_up", actor=own).actor == own
    assert store.eraser.erase(pseudonyms(user, [SECRET]), ()).conversations == {said.id}
    store.close()


def test_who_was_stored_under_a_redacted_name_is_found_too() -> None:
    """Homes of before hold such names."""
    own, before = pseudonyms(like_a_telephone_number(), [SECRET])
    assert before == redact(own).text != own


@pytest.mark.parametrize("name", ["010-1234-5678", "x-026898893a9cbeea", "mina 02-689-8893"])
def test_other_names_are_redacted(name: str) -> None:
    """Only what has the form of our own names is left alone."""
    assert "[" in (label(name) or "")
