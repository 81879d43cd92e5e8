"""Requests to one HTTP server over connections that are kept open; an answer's bytes are handed on as they come.

A client for everything (aiohttp, httpx) costs more processor a request than all else that the gateway does. This one
speaks what a model's server needs and no more: HTTP/1.1 with or without TLS, a body in, bytes out; no redirects, no
compression, no cookies, no proxies.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections import deque
from collections.abc import Mapping
from time import monotonic
from urllib.parse import unquote, urlsplit

from .http_reply import Line, Reply

CONNECT_S, IDLE_S = 5.0, 30.0
"""Longest to connect, and longest that a connection lies idle and is still used."""
CONNECTIONS = 1024
"""Most at once; further requests wait for one."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class HttpPool:
    """One server.

    Args:
        url: scheme, host, port, and what every path begins with.
        headers: sent with every request.

    Raises:
        ValueError: the address or a header cannot be sent.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("this is no address of a server")
        secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if secure else 80)
        self._tls = ssl.create_default_context() if secure else None
        self._path = parts.path.rstrip("/")
        sent = {"host": parts.netloc.rpartition("@")[2], "accept-encoding": "identity", **headers}
        if parts.username is not None and "authorization" not in sent:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            sent["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if any(_CONTROL.search(value) for value in (self._path, *sent.values())):
            raise ValueError("a header or the path holds a control character")
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._idle: deque[tuple[float, Line]] = deque()
        self._lines: set[Line] = set()
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def get(self, path: str) -> Reply:
        """See ``post``."""
        return await self._ask(f"GET {self._path}{path} HTTP/1.1\r\n{self._headers}\r\n".encode())

    async def post(self, path: str, body: bytes) -> Reply:
        """Send JSON; returns when the head of the answer is here. Whoever asked ends it, see ``Reply``.

        Where the server closes a kept connection without a word, as it may at any moment, a fresh one is tried, once.

        Raises:
            OSError: the server cannot be reached, or closed the connection.
            ValueError: what it says is no HTTP.
        """
        head = f"POST {self._path}{path} HTTP/1.1\r\n{self._headers}content-type: application/json\r\n"
        return await self._ask(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    def close(self) -> None:
        """Close every connection."""
        for line in list(self._lines):
            line.transport.abort()

    async def _ask(self, request: bytes) -> Reply:
        await self._room.acquire()
        kept = self._kept()
        if kept is not None:
            reply = Reply(kept, self._free)
            try:
                await reply.begin(request)
                return reply
            except ConnectionError:
                if reply.has_begun:
                    raise
            await self._room.acquire()
        reply = Reply(await self._connected(), self._free)
        await reply.begin(request)
        return reply

    def _kept(self) -> Line | None:
        """The connection used last, where one still stands."""
        while self._idle:
            since, line = self._idle.pop()
            if monotonic() - since > IDLE_S:
                line.transport.abort()
            elif not line.transport.is_closing():
                return line
        return None

    async def _connected(self) -> Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, line = await loop.create_connection(lambda: Line(self._lines), self._host, self._port, ssl=self._tls)
        except BaseException:
            self._room.release()
            raise
        return line

    def _free(self, line: Line | None) -> None:
        self._room.release()
        if line is None:
            return
        now = monotonic()
        self._idle.append((now, line))
        while now - self._idle[0][0] > IDLE_S:
            self._idle.popleft()[1].transport.abort()
