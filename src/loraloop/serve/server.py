"""The process that serves: uvicorn with a deadline for every request's arrival, and an end that cuts nobody short."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import threading
from asyncio.events import TimerHandle
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import EngineError
from .config import ServeConfig
from .held_head import HeldHead

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16_384
"""Longest request line and headers, in bytes."""
KEEP_ALIVE_S = 30
COLLECT_AT = (20_000, 20, 20)
"""How many more objects than before make Python look for cycles; a request leaves none behind."""
LAST_S = 2
"""After the drain: seconds that cut answers have to be marked as aborted."""


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request does not arrive, or whose answer is not taken, in time; or without an end."""

    read_timeout_s = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request must come within the deadline."""
        super().connection_made(HeldHead(transport, self.loop))  # type: ignore[arg-type]
        self._head_bytes = 0
        self._in_head, self._is_whole = True, True
        self._deadline: TimerHandle | None = None
        self._taken_by: TimerHandle | None = None
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop()
        self._stop_taking()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing: while it does not, its request holds a version and a place."""
        super().pause_writing()
        self._taken_by = self.loop.call_later(self.read_timeout_s, self._too_slow)

    def resume_writing(self) -> None:
        """It does again."""
        self._stop_taking()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Count what comes before the headers end; most requests come in one piece and need no deadline."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.close()
        if not self._is_whole and self._deadline is None:
            self._start()

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._in_head, self._is_whole = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The body may be long; its size is checked elsewhere."""
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here."""
        self._is_whole = True
        self._stop()
        super().on_message_complete()

    def _start(self) -> None:
        self._deadline = self.loop.call_later(self.read_timeout_s, self._too_slow)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_taking(self) -> None:
        if self._taken_by is not None:
            self._taken_by.cancel()
            self._taken_by = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


class Server(uvicorn.Server):
    """Ends in two steps: new requests are refused and those begun end, then the process does."""

    def __init__(self, app: FastAPI, config: ServeConfig) -> None:
        protocol = type("Protocol", (PatientProtocol,), {"read_timeout_s": config.read_timeout_s})
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                port=config.port,
                http=protocol,
                ws="none",
                loop="uvloop",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=LAST_S,
            )
        )
        self._gateway: Any = app.state.gateway
        self._drain_s, self._collected_at = config.drain_s, gc.get_threshold()
        self._draining: asyncio.Task[None] | None = None
        self._tell: Callable[[], None] = lambda: None

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    def when_started(self, tell: Callable[[], None]) -> None:
        """Call this once the port is open."""
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, or say in words why not."""
        try:
            await super().startup(sockets)
        except SystemExit:
            raise EngineError(
                f"cannot listen on {self.config.host}:{self.config.port}, or the engine did not start",
                hint="choose another --port; loraloop.log says more",
            ) from None
        self._loop = asyncio.get_running_loop()
        # What was imported stays; looking through it again and again took a tenth of the processor.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AT)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port and everything behind it."""
        gc.unfreeze()
        gc.set_threshold(*self._collected_at)
        await super().shutdown(sockets)

    def call(self, function: Callable[[], None]) -> None:
        """Call something in the server's loop, from another thread."""
        self._loop.call_soon_threadsafe(function)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first SIGTERM or SIGINT begins the drain, a second one ends it; neither is raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self.drain)
        try:
            yield
        finally:
            for one in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(one)

    def drain(self) -> None:
        """Refuse new requests, let those begun end, then end; called again, end now."""
        if self._draining is None and self.started:
            self._draining = asyncio.get_running_loop().create_task(self._drain())
        else:
            self.should_exit = True

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        self._gateway.draining = True
        deadline = loop.time() + self._drain_s
        log.info("no new requests; %d are being answered", self._gateway.active)
        while self._gateway.active and loop.time() < deadline:
            await asyncio.sleep(0.05)
        cut = set(self.server_state.tasks)
        for one in cut:
            one.cancel()
        if cut:
            log.warning("%d answers were cut at the deadline; they are marked as aborted", len(cut))
            await asyncio.wait(cut, timeout=LAST_S)
        self.should_exit = True
