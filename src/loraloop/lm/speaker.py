"""Speaker: one loaded model that answers one person at a time, for the command line and the demo."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConversationTooLong
from ..types import Message
from .decode import Decoding, timed_answer


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer and the seconds it took."""

    text: str
    seconds: float


class Speaker:
    """A base with at most one adapter; it never changes, a new release is a new speaker.

    Args:
        folder: dense folder of the base.
        adapter: folder of a verified adapter; ``None`` for the base alone.
        system_prompt: put before conversations that have none.
        decoding: how answers are drawn.
        dtype: number format of the weights; ``"auto"`` is the faster one here, measured as the evaluation does.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
    """

    def __init__(
        self,
        folder: Path,
        adapter: Path | None,
        *,
        system_prompt: str = "",
        decoding: Decoding | None = None,
        dtype: str = "auto",
        device: str = "auto",
    ) -> None:
        from .loader import load_model, load_tokenizer
        from .prepacked import prepack_linears
        from .probe import DECODING_ROWS, probe, race_threads
        from .template import Template

        self._folder, self._tokenizer = folder, load_tokenizer(folder)
        self._template = Template(self._tokenizer, system_prompt)
        self._decoding = decoding or Decoding()
        choice = probe(DECODING_ROWS, dtype=dtype, device=device)
        self._model: Any = load_model(folder, choice.dtype, choice.device)
        self._adapt(adapter)
        prepack_linears(self._model)
        race_threads(self._model, rows=1)

    def beside(
        self, folder: Path, adapter: Path | None, *, system_prompt: str = "", decoding: Decoding | None = None
    ) -> Speaker | None:
        """Another speaker of the same base, made from a copy of these weights; only of a speaker without an adapter.

        Returns:
            The speaker, made without reading the base anew; ``None`` if ``folder`` is another base.
        """
        from .template import Template

        if folder != self._folder or self.adapter is not None:
            return None
        other = copy.copy(self)
        other._template = Template(self._tokenizer, system_prompt)
        other._decoding = decoding or Decoding()
        other._model = copy.deepcopy(self._model)
        other._adapt(adapter)
        return other

    def _adapt(self, adapter: Path | None) -> None:
        from .adapter_files import check_adapter
        from .adapters import adapt

        self.adapter = adapter
        if adapter is not None:
            check_adapter(adapter)
            adapt(self._model, adapter)

    def answer(self, messages: Sequence[Message]) -> Spoken:
        """Return the answer to a conversation that ends with a user's message.

        Raises:
            ConversationTooLong: it has more tokens than the model reads.
        """
        prompt = self._template.prompt_ids(messages)
        longest = int(getattr(self._model.config, "max_position_embeddings", 0) or 1 << 20)
        if len(prompt) >= longest:
            raise ConversationTooLong(f"the conversation has {len(prompt)} tokens, the model reads {longest}")
        ids, seconds = timed_answer(self._model, prompt, self._template.stop_ids, self._decoding)
        return Spoken(self._template.answer_text(ids), seconds)
