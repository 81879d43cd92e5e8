"""One answer of one engine, from the first token to whatever ended it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType

from starlette.types import Message, Receive

from ..errors import EngineError
from .engine import Ask, Engine
from .sieve import Sieve

Show = Callable[[str], Awaitable[None]]


class Answering:
    """An answer in the making.

    Attributes:
        state: ``"done"``, ``"guarded"``, or ``"aborted"`` until it is one of these. finish: as the client is told.
        first_s: seconds from ``began`` (``time.perf_counter``) to the first piece.
        last: the text that came with the end, which ``show`` was not given: it goes out with the end, in one write.
    """

    __slots__ = (
        "_ask",
        "_engine",
        "began",
        "completion_tokens",
        "finish",
        "first_s",
        "guard",
        "last",
        "prompt_tokens",
        "sieve",
        "state",
    )

    def __init__(self, engine: Engine, ask: Ask, sieve: Sieve, began: float) -> None:
        self._engine, self._ask, self.sieve, self.began = engine, ask, sieve, began
        self.state, self.guard, self.finish, self.last = "aborted", "", "", ""
        self.prompt_tokens = self.completion_tokens = 0
        self.first_s = 0.0

    async def run(self, show: Show | None = None) -> Answering:
        """Let the engine answer; text that may be shown goes to ``show``, an empty one first, and the last to ``last``.

        Raises:
            EngineError: the engine failed, or stopped without an end.
            UsageError: the model cannot read this conversation.
        """
        stream = self._engine.stream(self._ask)
        try:
            async for piece in stream:
                if not self.first_s:
                    self.first_s = time.perf_counter() - self.began
                    if show is not None:
                        await show("")
                self.prompt_tokens = piece.prompt_tokens or self.prompt_tokens
                self.completion_tokens = piece.completion_tokens or self.completion_tokens
                text = self.sieve.push(piece.text, last=bool(piece.finish))
                if self.sieve.hit is not None:
                    self.state, self.guard, self.finish = "guarded", self.sieve.hit.guard, "content_filter"
                elif piece.finish:
                    self.state, self.finish = "done", piece.finish
                if self.state != "aborted":
                    self.last = text
                    return self
                if text and show is not None:
                    await show(text)
            raise EngineError("the answer stopped without an end")
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()


class Leaving:
    """While this context lasts, a client that leaves cancels the task, and ``left`` says so."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.left = False

    async def __aenter__(self) -> Leaving:
        self._task = asyncio.current_task()
        self._listen()
        return self

    def _listen(self) -> None:
        self._listener: asyncio.Task[Message] = asyncio.ensure_future(self._receive())
        self._listener.add_done_callback(self._heard)

    def _heard(self, listener: asyncio.Task[Message]) -> None:
        if listener.cancelled() or self._task is None:  # the answer has ended
            return
        if listener.result()["type"] != "http.disconnect":
            self._listen()
            return
        self.left = True
        self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        self._listener.cancel()
        if kind is asyncio.CancelledError and self.left and task is not None:
            return task.uncancel() == 0  # ours; another's cancellation goes on
        return False


async def all_of(answers: list[Answering]) -> None:
    """Run several answers at once; when one fails the others are cancelled."""
    if len(answers) == 1:
        await answers[0].run()
        return
    tasks = [asyncio.create_task(one.run()) for one in answers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
