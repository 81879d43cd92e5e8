"""Many rows as token ids at once, each the very ids that it has alone.

The tokenizer's own library renders all texts and encodes them in one call. What is in every row (the system prompt, the
openings of turns) is encoded once: where a tokenizer looks for its control tokens first, what stands between two of
them is encoded by itself, whatever stands around it. Rows that hold a control token as text, and tokenizers of which
this cannot be said, are left to be encoded one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .verbatim import Talk, filled, is_verbatim

_CUTS = frozenset({"ByteLevel", "Digits", "Split", "Punctuation", "Whitespace", "WhitespaceSplit"})
"""Ways of cutting a text before its words are encoded that look at nothing but the text itself."""
_BATCH = 512
"""Texts encoded at once: of each the library makes far more than its ids."""
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
"""Among these are the marks that transformers puts around control tokens which somebody typed."""


class ManyRows:
    """Encodes texts together.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
        controls: every text that it reads as one token.
    """

    def __init__(self, tokenizer: Any, controls: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, int] = dict(tokenizer.added_tokens_encoder)
        listed = sorted({*controls, *self._ids} - {""}, key=len, reverse=True)
        self._typed = re.compile("|".join(map(re.escape, listed)) or "(?!)")
        self._control = re.compile(f"({'|'.join(re.escape(one) for one in listed if one in self._ids) or '(?!)'})")
        self.is_able = cuts_at_controls(tokenizer)
        self._is_verbatim = is_verbatim(tokenizer.chat_template)

    def is_plain(self, texts: Sequence[str]) -> bool:
        """Return whether nobody typed a control token in some texts."""
        said = "\x00".join(texts)
        return self._typed.search(said) is None and (said.isascii() or _PRIVATE.search(said) is None)

    def prompts(self, talks: Sequence[Talk]) -> list[list[int]]:
        """Return the ids of conversations and the opening of the answer.

        Args:
            talks: role and content of each message; plain, and at least one.
        """
        return self.encode(filled(talks, self._rendered) if self._is_verbatim else self._rendered(talks))

    def _rendered(self, talks: Sequence[Talk]) -> list[str]:
        turns = [list(talk) for talk in talks]
        texts: list[str] = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return texts

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of texts in which every control token is meant as one."""
        cut = [self._control.split(text) for text in texts]
        known = list(dict.fromkeys(piece for pieces in cut for piece in pieces[::2] if piece))
        self._tokenizer("", add_special_tokens=False)  # leaves neither padding nor truncation in the backend
        encode, ids = self._tokenizer.backend_tokenizer.encode_batch_fast, dict[str, list[int]]()
        for at in range(0, len(known), _BATCH):
            some = known[at : at + _BATCH]
            encoded = encode(some, add_special_tokens=False)
            ids.update((piece, one.ids) for piece, one in zip(some, encoded, strict=True))
        found: list[list[int]] = []
        for pieces in cut:
            row: list[int] = []
            for place, piece in enumerate(pieces):
                if place % 2:
                    row.append(self._ids[piece])
                elif piece:
                    row += ids[piece]
            found.append(row)
        return found


def cuts_at_controls(tokenizer: Any) -> bool:
    """Return whether a tokenizer encodes what stands between control tokens by itself, and nothing at random."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not hasattr(backend, "encode_batch_fast") or backend.normalizer is not None:
        return False
    if any(one.lstrip or one.rstrip or one.single_word for one in tokenizer.added_tokens_decoder.values()):
        return False
    parts = json.loads(backend.to_str())
    cutter = parts.get("pre_tokenizer") or {}
    steps = cutter.get("pretokenizers", [cutter])
    plain = all(step.get("type") in _CUTS and not step.get("add_prefix_space") for step in steps)
    return plain and not (parts.get("model") or {}).get("dropout")
