"""One answer over HTTP as it arrives, and the connection it arrives on."""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from collections.abc import Callable
from typing import Any

import httptools

END_S = 0.5
"""Seconds in which the end of an answer must follow what was wanted of it, for its connection to be used again."""
MAX_UNREAD_BYTES = 262_144
"""So much may have arrived and not been read before the server is asked to wait."""


class Line(asyncio.Protocol):
    """One connection.

    Args:
        lines: the open ones; it stands in there while it is open.

    Attributes:
        reply: what is awaited on it; ``None`` while it lies idle.
    """

    transport: Any

    def __init__(self, lines: set[Line]) -> None:
        self._lines = lines
        self.reply: Reply | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = transport
        self._lines.add(self)

    def data_received(self, data: bytes) -> None:
        """Hand on what came; nothing may come unasked."""
        if self.reply is None:
            self.transport.abort()
        else:
            self.reply.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._lines.discard(self)
        if self.reply is not None:
            self.reply.lost()


class Parsed:
    """What the parser finds in an answer.

    Attributes:
        status: 0 until the head has come. is_whole: the last byte has come. keeps: the connection may be used again.
        body: what came and was not read yet.
    """

    __slots__ = ("body", "is_framed", "is_whole", "keeps", "parser", "status")

    def __init__(self) -> None:
        self.status, self.is_whole, self.is_framed, self.keeps = 0, False, False, False
        self.body: list[bytes] = []
        self.parser: Any = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """An answer of unknown length ends with its connection."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.is_framed = True

    def on_headers_complete(self) -> None:
        """Take the status, unless it only says that there will be one (1xx); nobody asked for a second answer."""
        if self.is_whole:
            self.keeps = False
            return
        status = self.parser.get_status_code()
        self.status = status if status >= 200 else 0

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        if not self.is_whole:
            self.body.append(body)

    def on_message_complete(self) -> None:
        """All of it is here."""
        if self.status and not self.is_whole:
            self.is_whole, self.keeps = True, self.parser.should_keep_alive()


class Reply:
    """An answer. Whoever asked ends it: with ``release`` once what was wanted has come, with ``drop`` otherwise.

    Args:
        line: the connection. free: told once when the answer has ended, with the connection if it can be used again.
    """

    __slots__ = (
        "_due",
        "_fault",
        "_free",
        "_gathers",
        "_is_ended",
        "_line",
        "_parsed",
        "_timer",
        "_unread_bytes",
        "_waiter",
        "has_begun",
    )

    def __init__(self, line: Line, free: Callable[[Line | None], None]) -> None:
        self._line, self._free, self._parsed = line, free, Parsed()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: TimerHandle | None = None
        self._fault: Exception | None = None
        self._unread_bytes, self._due = 0, 0.0
        self._gathers = self._is_ended = self.has_begun = False

    @property
    def status(self) -> int:
        """Its status."""
        return self._parsed.status

    async def begin(self, request: bytes) -> None:
        """Send a request; returns when the head of the answer is here. Where it fails, the answer has ended.

        Raises:
            ConnectionError: the server closed the connection.
            ValueError: what it says is no HTTP.
        """
        self._line.reply = self
        self._line.transport.write(request)
        try:
            while not self._parsed.status:
                await self._news()
        except BaseException:
            self.drop()
            raise

    async def read(self, pace_s: float = 0.0) -> bytes:
        """Return what has come since the read before, waiting until something has; nothing at the end.

        Args:
            pace_s: so long after the read before what comes is gathered, but for the end, which nothing holds up.

        Raises:
            ConnectionError, ValueError: as ``begin``.
        """
        parsed, loop = self._parsed, asyncio.get_running_loop()
        if loop.time() < self._due and not parsed.is_whole and self._fault is None:
            self._gathers = True
            timer = loop.call_at(self._due, self._wake)
            try:
                await self._news()
            finally:
                self._gathers = False
                timer.cancel()
        while not parsed.body:
            if parsed.is_whole:
                return b""
            await self._news()
        self._due = loop.time() + pace_s
        if self._unread_bytes > MAX_UNREAD_BYTES:
            self._line.transport.resume_reading()
        self._unread_bytes = 0
        found = parsed.body[0] if len(parsed.body) == 1 else b"".join(parsed.body)
        parsed.body.clear()
        return found

    def release(self) -> None:
        """Use the connection again, as soon as what still comes has come."""
        if self._parsed.is_whole:
            self._end(self._parsed.keeps)
        else:
            self._timer = asyncio.get_running_loop().call_later(END_S, self.drop)

    def drop(self) -> None:
        """Close the connection, so that the server may stop."""
        self._end(False)

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        parsed = self._parsed
        self.has_begun = True
        try:
            parsed.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fault = ValueError("no answer over HTTP")
            self._line.transport.abort()
        if self._timer is not None:
            parsed.body.clear()
            if parsed.is_whole:
                self._end(parsed.keeps)
            return
        if parsed.body:
            self._unread_bytes += len(data)
            if self._unread_bytes > MAX_UNREAD_BYTES:
                self._line.transport.pause_reading()
        if not self._gathers or parsed.is_whole or self._fault is not None:
            self._wake()

    def lost(self) -> None:
        """The connection is closed; where nothing told the length, that is the end."""
        parsed = self._parsed
        parsed.keeps = False
        if parsed.status and not parsed.is_framed:
            parsed.is_whole = True
        elif not parsed.is_whole and self._fault is None:
            self._fault = ConnectionResetError("the server closed the connection")
        if self._timer is not None:
            self._end(False)
        self._wake()

    async def _news(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, keeps: bool) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        if self._timer is not None:
            self._timer.cancel()
        line = self._line
        keeps = keeps and self._unread_bytes <= MAX_UNREAD_BYTES  # beyond, it was told to be silent, and stays so
        line.reply, self._parsed.parser = None, None
        if not keeps:
            line.transport.abort()
        self._free(line if keeps else None)
