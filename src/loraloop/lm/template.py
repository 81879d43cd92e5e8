"""Turn messages into token ids, the same way for training, evaluation and serving."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ..types import Message, message
from .many_rows import ManyRows

log = logging.getLogger(__name__)

_PROBED = 8
"""Rows encoded both ways before rows are encoded together."""
_ZERO_WIDTH_SPACE = "\u200b"
_MARK = "\u2983answer\u2984"
_PLAIN_ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


class Template:
    """A tokenizer's chat template, or a plain fallback where it has none.

    Control tokens inside what people wrote are encoded as plain text, so nobody forges a turn. A transformers too old
    for that ignores being asked to; there each is broken by a zero-width space instead.

    Args:
        tokenizer: a transformers tokenizer.
        system_prompt: put first where a conversation has no system message; empty for none of ours.
    """

    def __init__(self, tokenizer: Any, system_prompt: str = "") -> None:
        self._tokenizer = tokenizer
        self._system_prompt = system_prompt
        self._chat = bool(getattr(tokenizer, "chat_template", None))
        self._end_ids = self._find_end_ids()
        parameters = inspect.signature(type(tokenizer).apply_chat_template).parameters
        self._sanitising = {"sanitize_control_tokens": True} if "sanitize_control_tokens" in parameters else {}
        controls = {str(token) for token in tokenizer.added_tokens_encoder} | set(tokenizer.all_special_tokens)
        self._controls = sorted(controls - {""}, key=len, reverse=True)
        self._many: ManyRows | None = None
        self._checked = False

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the chat template (or the name of the fallback) and the system prompt."""
        name = str(self._tokenizer.chat_template) if self._chat else "plain-1"
        return hashlib.sha256(f"{name}\x00{self._system_prompt}".encode()).hexdigest()

    @cached_property
    def tokens_digest(self) -> str:
        """SHA-256 (hex) of all that ids depend on, the vocabulary with it; empty where that cannot be told."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            return ""
        backend.no_padding()
        backend.no_truncation()
        how = f"{self.digest} {self._tokenizer.eos_token_id} {sorted(self._sanitising)} {self._end_ids}"
        return hashlib.sha256(f"{how}\x00{backend.to_str()}".encode()).hexdigest()

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Token ids that end an answer."""
        eos = self._tokenizer.eos_token_id
        ids = {*self._end_ids[-1:], *([eos] if isinstance(eos, int) else eos or [])}
        return tuple(sorted(ids))

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """Texts that end an answer where the tokenizer has no turn token."""
        return () if self._chat else tuple(f"\n{role}:" for role in _PLAIN_ROLES.values())

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation so far and the opening of the answer, as token ids."""
        turns = [{"role": m.role, "content": m.text} for m in self._with_system(messages)]
        if not self._chat:
            lines = [f"{_PLAIN_ROLES[t['role']]}: {t['content']}\n" for t in turns]
            return self._encode("".join(lines) + "Assistant:", special=True)
        if not self._sanitising:
            turns = [{"role": t["role"], "content": self._defused(t["content"])} for t in turns]
        encoded = self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=True, **self._sanitising
        )
        return [int(i) for i in encoded["input_ids"]]

    def rows_ids(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[tuple[list[int], list[int]]]:
        """Return ``prompt_ids`` and ``answer_ids`` of many rows, encoded together where that gives the same."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        together = self._together([*rows[:_PROBED]]) if rows else None
        if together is not None:
            said = [(self._with_system(prompt), answer) for prompt, answer in rows]
            texts = [[*(m.text for m in prompt), answer] for prompt, answer in said]
            plain = [n for n, row in enumerate(texts) if said[n][0] and together.is_plain(row)]
            talks = [[{"role": m.role, "content": m.text} for m in said[n][0]] for n in plain]
            answers = together.encode([rows[n][1] for n in plain])
            for n, prompt_ids, answer_ids in zip(plain, together.prompts(talks) if talks else [], answers, strict=True):
                found[n] = (prompt_ids, answer_ids + self._end_ids)
        return [
            found[n] if n in found else (self.prompt_ids(prompt), self.answer_ids(answer))
            for n, (prompt, answer) in enumerate(rows)
        ]

    def _together(self, probe: Sequence[tuple[Sequence[Message], str]]) -> ManyRows | None:
        """What encodes rows together; ``None`` where it cannot, or once it gave other ids than one by one."""
        if not self._checked:
            self._checked = True
            many = ManyRows(self._tokenizer, self._controls) if self._chat else None
            if many is not None and many.is_able:
                self._many = many
                if self.rows_ids(probe) != [(self.prompt_ids(said), self.answer_ids(answer)) for said, answer in probe]:
                    log.warning("rows are encoded one by one: this tokenizer gives other ids for many at once")
                    self._many = None
        return self._many

    def answer_ids(self, text: str) -> list[int]:
        """The answer's tokens and the tokens that end the turn."""
        return self.text_ids(text) + self._end_ids

    def text_ids(self, text: str) -> list[int]:
        """The answer's tokens alone."""
        return self._encode(text if self._chat else " " + text)

    def answer_text(self, ids: Sequence[int]) -> str:
        """The text of generated ids, cut where the turn ends."""
        text = str(self._tokenizer.decode(list(ids), skip_special_tokens=True))
        for stop in self.stop_texts:
            text = text.split(stop, 1)[0]
        return text.strip()

    def _defused(self, text: str) -> str:
        for control in self._controls:
            if control.strip():
                text = text.replace(control, control[0] + _ZERO_WIDTH_SPACE + control[1:])
        return text

    def _with_system(self, messages: Sequence[Message]) -> list[Message]:
        if self._system_prompt and not any(m.role == "system" for m in messages):
            return [message("system", self._system_prompt), *messages]
        return list(messages)

    def _encode(self, text: str, special: bool = False) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=special, split_special_tokens=True)["input_ids"])

    def _find_end_ids(self) -> list[int]:
        """The ids after an answer, up to and with the first special one; the end-of-text id where there is none."""
        eos = self._tokenizer.eos_token_id
        fallback = [eos if isinstance(eos, int) else eos[0]] if eos is not None else []
        if not self._chat:
            return fallback
        turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _MARK}]
        after = str(self._tokenizer.apply_chat_template(turns, tokenize=False)).split(_MARK, 1)[-1]
        ids = list(self._tokenizer(after, add_special_tokens=False)["input_ids"])
        special = set(self._tokenizer.all_special_ids)
        cut = next((n for n, i in enumerate(ids) if i in special), None)
        return ids[: cut + 1] if cut is not None else fallback
