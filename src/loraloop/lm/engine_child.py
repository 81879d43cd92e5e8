"""The engine process: python -m loraloop.lm.engine_child, spoken to by serve/embedded.py only.

Frames come in on standard input and go out on standard output. The main thread does all that computes: it writes
answers, measures versions, and between two steps loads and drops a few layers of them. A second one reads adapters'
files, a third one the frames. When standard input ends, the parent is gone and so is this process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import ConversationTooLong, EngineError, LoraloopError, ModelError, UsageError
from ..types import message
from .child import die_with_parent
from .frames import Frame, read_frame, write_frame

_SWITCH_S = 0.0005
_SLICE_S = 0.0015
"""Of loading and dropping between two steps: all that a step waits for it, and hardly more than a layer takes."""
_LOWEST_PRIORITY = 19
_RACE_S = 1.5
"""For which thread counts are compared: what is chosen holds for as long as the process lives."""
_BEAT_S = 1.0
"""Between two frames that say nothing but that answers could be written."""


class Serving:
    """One base and its versions, answering.

    Args:
        spec: ``base`` (dense folder), ``dtype``, ``device``, ``max_rows``, ``threads`` (0 measures).
        say: writes a frame.
    """

    def __init__(self, spec: Frame, say: Callable[[Frame], None]) -> None:
        import torch

        from .batching import Batcher
        from .changes import Changes
        from .fixed_answers import FixedAnswers
        from .loader import load_model, load_tokenizer
        from .prepacked import prepack_linears
        from .probe import DECODING_ROWS, probe, race_threads
        from .ragged import serve_with_ragged_attention
        from .template import Template
        from .weights import Weights

        folder = Path(spec["base"])
        tokenizer = load_tokenizer(folder)
        choice = probe(DECODING_ROWS, dtype=spec["dtype"], device=spec["device"])
        model = load_model(folder, choice.dtype, choice.device)
        self.dtype, self.device = choice.dtype, choice.device
        prepack_linears(model)
        self.threads = spec["threads"] or race_threads(model, spec["max_rows"], seconds=_RACE_S)
        torch.set_num_threads(self.threads)
        if not serve_with_ragged_attention(model):
            raise ModelError(
                f"{type(model).__name__} cannot be served here: it does not use transformers' attention interface",
                hint='serve it with vLLM: [engine] kind = "vllm"',
            )
        self._say = say
        self._template = Template(tokenizer)
        self._longest = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 20)
        self._weights = Weights(model)
        self._batcher = Batcher(self._weights, tokenizer, self._template.stop_ids, spec["max_rows"])
        self._inbox: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._leaving: list[Frame] = []
        self._fixed = FixedAnswers(self._batcher, say)
        self._to_read: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._changes = Changes()  # versions that come or go, layer by layer

    def hear(self, frame: Frame) -> None:
        """Take one frame; called by the reading thread."""
        if frame["do"] == "load":
            self._to_read.put(frame)
            return
        try:
            if frame["do"] == "ask":
                frame["prompt"] = self._prompt(frame)
            elif frame["do"] == "logprobs":
                frame["fixed"] = [(self._prompt(p), self._template.text_ids(p["answer"])) for p in frame["probes"]]
        except LoraloopError as error:
            self._fail(frame, error)
            return
        self._inbox.put(frame)

    def write_answers(self) -> None:
        """Write answers and change versions for ever; sleeps while there is nothing to do.

        Every second it says something, so that whoever hears nothing knows that it hangs.
        """
        spoke_at = time.monotonic()
        while True:
            self._obey(wait=not any(self._batcher.load) and not self._changes)
            self._changes.advance(_SLICE_S)
            said = self._batcher.step()
            active, waiting = self._batcher.load
            pieces = [
                [s.id, s.text, s.finish, s.prompt_tokens, s.completion_tokens] for s in said if s.finish != "scored"
            ]
            if pieces or time.monotonic() - spoke_at >= _BEAT_S:
                self._say({"pieces": pieces, "active": active, "waiting": waiting})
                spoke_at = time.monotonic()
            self._fixed.hear([s for s in said if s.finish == "scored"])
            self._let_go()

    def read_files(self) -> None:
        """Read adapters' files for ever, at the lowest priority.

        Nothing here computes with torch: a thread that has leaves OpenMP helpers behind for as long as it lives, and
        with more of them than cores libgomp sends all to sleep after every product.
        """
        from .weights import read_version

        with contextlib.suppress(OSError):  # only on Linux has a thread one of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        while frame := self._to_read.get():
            try:
                self._inbox.put({**frame, "files": read_version(Path(frame["adapter"]), frame["digest"])})
            except LoraloopError as error:
                self._fail(frame, error)

    def _obey(self, wait: bool) -> None:
        """Take in what was asked of the writing thread; without anything else to do, wait for it, a second at most."""
        while True:
            try:
                frame = self._inbox.get(block=wait, timeout=_BEAT_S)
            except queue.Empty:
                return
            wait = False
            if frame["do"] == "load":
                self._change(frame, self._weights.adding(frame["version"], frame["files"]))
            elif frame["do"] == "ask":
                self._submit(frame)
            elif frame["do"] == "logprobs":
                if self._is_served(frame):
                    self._fixed.measure(frame)
            elif frame["do"] == "cancel":
                self._batcher.cancel(frame["of"])
            else:
                self._leaving.append(frame)
                self._let_go()

    def _submit(self, frame: Frame) -> None:
        import torch

        from .batching import Request
        from .drawing import Draw

        if not self._is_served(frame):
            return
        seed = frame["seed"] if frame["seed"] is not None else random.SystemRandom().getrandbits(48)
        generator = torch.Generator().manual_seed(seed)
        draw = Draw(frame["temperature"], frame["top_p"], frame["repetition_penalty"], generator)
        prompt = tuple(frame["prompt"])
        most = min(frame["max_tokens"], self._longest - len(prompt))
        stops = (*frame["stop"], *self._template.stop_texts)
        self._batcher.submit(Request(frame["id"], frame["version"], prompt, most, draw, stops))

    def _is_served(self, frame: Frame) -> bool:
        """Whether its version answers; who asks is told if not."""
        try:
            self._weights.check(frame["version"])
            if any(leaving["version"] == frame["version"] for leaving in self._leaving):
                raise EngineError(f"version {frame['version']} is being unloaded", hint="ask for another")
        except LoraloopError as error:
            self._fail(frame, error)
            return False
        return True

    def _let_go(self) -> None:
        """Begin to drop versions that are to leave, and whose last answer has ended."""
        for frame in [f for f in self._leaving if not self._batcher.uses(f["version"])]:
            self._leaving.remove(frame)
            self._batcher.forget(frame["version"])
            self._change(frame, self._weights.dropping(frame["version"]))

    def _change(self, frame: Frame, layers: Iterator[None]) -> None:
        def told(error: LoraloopError | None, longest_s: float) -> None:
            if error is not None:
                self._fail(frame, error)
            else:
                self._say({"done": frame["id"], "value": longest_s})

        self._changes.add(layers, told)

    def _prompt(self, frame: Frame) -> list[int]:
        said = [message(m["role"], m["content"]) for m in frame["messages"]]
        try:
            ids = self._template.prompt_ids(said)
        except Exception as error:  # many a template raises where roles do not alternate; its words may quote people
            raise UsageError(
                f"the model's chat template refuses this conversation ({type(error).__name__}): "
                "let user and assistant alternate, the user first"
            ) from None
        if len(ids) >= self._longest:
            raise ConversationTooLong(
                f"the conversation has {len(ids)} tokens, the model reads {self._longest}: send a shorter one"
            )
        return ids

    def _fail(self, frame: Frame, error: LoraloopError) -> None:
        self._say(_failure(frame["id"], error))


def _failure(number: int, error: LoraloopError) -> Frame:
    told = [str(a) for a in error.args]
    return {"failed": number, "error": type(error).__name__, "args": told, "hint": error.hint}


def main() -> None:
    """Answer until standard input ends."""
    die_with_parent()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log, never between the frames
    sys.setswitchinterval(_SWITCH_S)  # the writing thread must not wait 5 ms whenever another one has Python
    lock = threading.Lock()

    def say(frame: Frame) -> None:
        with lock:
            write_frame(out, frame)

    spec = read_frame(sys.stdin.buffer)
    if spec is None:
        return
    try:
        serving = Serving(spec, say)
    except LoraloopError as error:
        say(_failure(0, error))
        sys.exit(1)
    gc.collect()
    gc.freeze()  # else a search for garbage among all that torch and transformers hold makes answers wait for 200 ms
    say({"ready": {"dtype": serving.dtype, "device": serving.device, "threads": serving.threads}})

    def read() -> None:
        while (frame := read_frame(sys.stdin.buffer)) is not None:
            serving.hear(frame)
        os._exit(0)  # the parent is gone, and nobody reads what would still be written

    for work in (read, serving.read_files):
        threading.Thread(target=_or_end, args=(work,), daemon=True).start()
    _or_end(serving.write_answers)


def _or_end(work: Callable[..., None], *given: Any) -> None:
    """Work; a bug ends the process, since half an engine would never answer and the parent starts a whole one."""
    try:
        work(*given)
    except BaseException as error:
        import traceback

        traceback.print_tb(error.__traceback__)
        print(type(error).__name__, file=sys.stderr, flush=True)  # not its words, which may be somebody's
        os._exit(1)


if __name__ == "__main__":
    main()
