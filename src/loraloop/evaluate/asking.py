"""Who answers the questions of an evaluation: a child process over files, or the caller's own wrapper."""

from __future__ import annotations

import copy
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import EvaluationError, ModelError
from ..lm.bases import Base, find_base
from ..lm.child import run_child
from ..ports import Progress
from ..types import Message
from .config import EvaluationConfig
from .questions import Questions, Subject

if TYPE_CHECKING:
    from ..lm.yielding import Yielding

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answers:
    """What one subject gave.

    Attributes:
        texts: one answer a prompt, in order.
        latencies_s: seconds of single requests, for the first prompts.
        row_nll: nats over the supervised tokens of each held-out row.
        cut_off: of each answer, whether it ran into the limit of tokens; empty where nobody can know.
    """

    texts: Sequence[str]
    latencies_s: Sequence[float]
    row_nll: Sequence[float] = ()
    cut_off: Sequence[bool] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What all subjects gave.

    Attributes:
        answers: by name of the subject.
        verdict: what the last look at the losses said; empty where there were no looks.
        probes: by name, nats per token of each probe's answer, ``None`` where it was not needed; empty without probes.
    """

    answers: Mapping[str, Answers]
    verdict: str = ""
    probes: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


class Asker(Protocol):
    """Puts the same prompts and rows to every subject."""

    measures_loss: bool
    """Whether held-out rows are scored too."""

    def ask(self, questions: Questions, progress: Progress | None) -> Heard:
        """Return the answers of each subject; those known may be taken as they are."""
        ...


class ChildAsker:
    """Asks in a child process that loads the base once and merges each adapter in turn.

    Args:
        model: the name of a base, a ``Base``, or a live object with ``.model`` and ``.tokenizer`` (written to a
            temporary folder for the child; the object is only read).
        config: how to ask.
        cache: where a GGUF base is kept in dense form.
        system_prompt: put before each prompt that has none.
        yielding: makes the process give way to users; ``None`` lets it run at a low priority.
    """

    measures_loss = True

    def __init__(
        self,
        model: Any,
        config: EvaluationConfig,
        cache: Path,
        system_prompt: str = "",
        yielding: Yielding | None = None,
    ) -> None:
        self._model, self._config, self._cache, self._system_prompt = model, config, cache, system_prompt
        self._yielding = yielding

    def ask(self, questions: Questions, progress: Progress | None) -> Heard:
        """See ``Asker.ask``.

        Raises:
            EvaluationError: the child ended without answers.
        """
        config = self._config
        with ExitStack() as stack:
            spec = {
                "base": str(self._folder(stack)),
                "system_prompt": self._system_prompt,
                "subjects": [_plain(subject, questions) for subject in questions.subjects],
                "prompts": [[(m.role, m.text) for m in prompt] for prompt in questions.prompts],
                "heldout": [dict(sample) for sample in questions.heldout],
                "takeover_nats": config.takeover_nats,
                "probes": [[[(m.role, m.text) for m in prompt], answer] for prompt, answer in questions.probes],
                "looks": dict(questions.looks) if questions.looks is not None else None,
                "notes": str(questions.notes) if questions.notes is not None else None,
                "decoding": {
                    "max_new_tokens": config.max_new_tokens,
                    "temperature": config.temperature,
                    "seed": config.seed,
                },
                "batch_size": config.batch_size,
                "latency_items": config.latency_items,
                "dtype": config.dtype,
                "device": config.device,
                "threads": config.threads,
            }

            def hear(fact: Mapping[str, Any]) -> None:
                if fact["kind"] == "progress" and progress is not None:
                    progress("evaluate", fact["done"], fact["total"])

            found = run_child("loraloop.evaluate.child", spec, hear, died=EvaluationError, yielding=self._yielding)
        answers = {
            name: Answers(part["answers"], part["latencies_s"], part["row_nll"], part["cut_off"])
            for name, part in found["subjects"].items()
        }
        return Heard(answers, found["verdict"], found["probes"])

    def _folder(self, stack: ExitStack) -> Path:
        if isinstance(self._model, Base):
            return self._model.folder
        if isinstance(self._model, str | Path):
            return find_base(str(self._model), self._cache).folder
        from ..lm.loader import bare_model, snapshot

        tokenizer = getattr(self._model, "tokenizer", None)
        if tokenizer is None:
            raise ModelError("the model handed in has no .tokenizer, so nothing can be asked")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loraloop-base-")))
        snapshot(bare_model(self._model), folder)
        tokenizer.save_pretrained(str(folder))
        return folder


class WrapperAsker:
    """Asks the caller's own ``generate_response``, on a shallow copy whose model is a copy with the adapter.

    The object handed in is only read. It answers in this process, for its code cannot be sent elsewhere; held-out rows
    are not scored, for only the wrapper knows its prompt format.
    """

    measures_loss = False

    def __init__(self, wrapper: Any, config: EvaluationConfig) -> None:
        self._wrapper, self._config = wrapper, config

    def ask(self, questions: Questions, progress: Progress | None) -> Heard:
        """See ``Asker.ask``; everything is asked, for only the wrapper knows what its answers depend on."""
        import torch

        from ..lm.adapter_files import check_adapter
        from ..lm.adapters import adapted
        from ..lm.loader import bare_model

        # Fixed seeds below must not disturb the numbers the caller draws afterwards.
        with torch.random.fork_rng(devices=[]):
            wrapper = copy.copy(self._wrapper)
            inner = bare_model(self._wrapper)
            own = copy.deepcopy(inner.get_base_model() if hasattr(inner, "get_base_model") else inner)
            wrapper.model = own
            found: dict[str, Answers] = {}
            for number, subject in enumerate(questions.subjects):
                if subject.folder is not None:
                    check_adapter(subject.folder)
                with adapted(own, subject.folder):
                    place = number, len(questions.subjects)
                    found[subject.name] = self._answers(wrapper, questions.prompts, place, progress)
        return Heard(found)

    def _answers(
        self,
        wrapper: Any,
        prompts: Sequence[Sequence[Message]],
        place: tuple[int, int],
        progress: Progress | None,
    ) -> Answers:
        import torch

        number, subjects = place
        texts: list[str] = []
        seconds: list[float] = []
        for done, prompt in enumerate(prompts):
            torch.manual_seed(self._config.seed)
            start = time.perf_counter()
            texts.append(str(wrapper.generate_response(prompt[-1].text)))
            seconds.append(time.perf_counter() - start)
            if progress is not None:
                progress("evaluate", number * len(prompts) + done + 1, subjects * len(prompts))
        return Answers(texts=texts, latencies_s=seconds)


def _plain(subject: Subject, questions: Questions) -> dict[str, Any]:
    """A subject as the child reads it: who it is, and what need not be asked of it."""
    return {
        "name": subject.name,
        "folder": str(subject.folder) if subject.folder else None,
        "known": [[number, *answer] for number, answer in questions.known_answers(subject.name).items()],
        "nats": {str(number): nats for number, nats in questions.known_nats(subject.name).items()},
        "asked": list(questions.asked.get(subject.name, ())),
        "scored": list(questions.scored.get(subject.name, ())),
    }


def asker_for(
    model: Any, config: EvaluationConfig, cache: Path, system_prompt: str, yielding: Yielding | None = None
) -> Asker:
    """Return the way to ask this model."""
    if callable(getattr(model, "generate_response", None)):
        return WrapperAsker(model, config)
    return ChildAsker(model, config, cache, system_prompt, yielding)
