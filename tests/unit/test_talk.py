"""Messages as text: one form, whoever writes it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from loraloop.types import Message, Part, messages_json

PARTS = st.builds(Part, kind=st.sampled_from(["text", "image"]), text=st.text())
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant"]),
    content=st.lists(PARTS, max_size=3).map(tuple),
    approved_by=st.none() | st.text(),
)


@given(st.lists(MESSAGES, max_size=4))
def test_messages_are_written_as_json_writes_them(messages: list[Message]) -> None:
    """Ids of conversations are digests of this text, so not a byte of it may differ, spaced or compact."""
    plain = [dict(one) for one in messages]
    assert messages_json(messages) == json.dumps(plain, ensure_ascii=False, sort_keys=True)
    compact = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert messages_json(messages, gap="") == compact
