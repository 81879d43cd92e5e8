"""A gateway over a scripted engine and a real store, asked without a network: for tests of what passes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..archive import HomeArchive
from ..job_board import HomeBoard
from ..serve.config import ServeConfig
from ..serve.gateway import Gateway, create_app
from ..serve.job_board import Recipe
from ..serve.keys import ROLES, new_key
from ..store.sql import SqlStore
from .gateway_parts import HeldRoutes, ScriptedEngine

SECRET = b"k" * 32


@dataclass
class Said:
    """One response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error in the body, which has the shape of OpenAI's."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return dict(error)

    @property
    def events(self) -> list[Any]:
        """The events of a stream, the last one ``"[DONE]"``."""
        lines = [line[6:] for line in self.body.decode().split("\n\n") if line.startswith("data: ")]
        return [json.loads(line) if line != "[DONE]" else line for line in lines]

    @property
    def text(self) -> str:
        """What a stream said."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if event != "[DONE]" and "choices" in event
            for choice in event["choices"]
        )


async def asgi(
    app: Any, method: str, path: str, *, headers: dict[str, str], body: bytes, leave: asyncio.Event | None = None,
    watch: Callable[[bytes], None] | None = None,
) -> Said:  # fmt: skip
    """Make one request of an ASGI app; ``leave`` set means that the client has gone."""
    path, _, query = path.partition("?")
    said, sent, over = Said(), False, asyncio.Event()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http",
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        gone = leave if leave is not None else over
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            said.status = message["status"]
            said.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
        else:
            said.body += message.get("body", b"")
            if watch is not None:
                watch(message.get("body", b""))

    await app(scope, receive, send)
    over.set()
    return said


class GatewayClient:
    """Asks a gateway, with a key of each role."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.engine, self.routes = ScriptedEngine(), HeldRoutes("Be kind.", {"max_new_tokens": 50, "temperature": 0.7})
        self.archive = HomeArchive(store, "default", SECRET)
        self.board = HomeBoard(store, "default", Recipe("tiny"))
        self.keys: dict[str, str] = {}
        for role in ROLES:
            text, key = new_key([role], role, datetime.now(UTC))
            store.keys.add(key)
            self.keys[role] = text
        self.opened: list[Gateway] = []
        self.open()

    def open(self, **settings: Any) -> GatewayClient:
        """Open the gateway anew with these settings."""
        self.app = create_app(
            self.engine, self.routes, self.archive, ServeConfig(**settings), secret=SECRET, jobs=self.board
        )
        self.gateway: Gateway = self.app.state.gateway
        self.opened.append(self.gateway)
        return self

    def close(self) -> None:
        """End every recorder."""
        for gateway in self.opened:
            gateway.recorder.close()

    async def asend(
        self, method: str, path: str, value: Any = None, *, role: str | None = "admin", **more: Any
    ) -> Said:
        """Make one request; ``value`` is JSON, or bytes as they are."""
        headers = {"host": "127.0.0.1:8080", "content-type": "application/json"}
        if role is not None:
            headers["authorization"] = f"Bearer {self.keys.get(role, role)}"
        headers |= more.pop("headers", {})
        body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        headers.setdefault("content-length", str(len(body)))
        return await asgi(self.app, method, path, headers={k: v for k, v in headers.items() if v}, body=body, **more)

    def send(self, method: str, path: str, value: Any = None, **more: Any) -> Said:
        """The same, without a loop."""
        return asyncio.run(self.asend(method, path, value, **more))

    def chat(self, text: str = "Hi", **fields: Any) -> Said:
        """One chat request."""
        more = {name: fields.pop(name) for name in ("role", "headers") if name in fields}
        body = {"model": "live", "messages": [{"role": "user", "content": text}], **fields}
        return self.send("POST", "/v1/chat/completions", body, **more)

    def flush(self) -> None:
        """Wait until what was said is stored."""
        assert self.gateway.recorder.flush(5)

    def talks(self) -> list[Any]:
        """Every stored conversation."""
        self.flush()
        return list(self.store.conversations.iterate("default"))

    def metric(self, name: str, **labels: str) -> float:
        """What a counter says."""
        return float(self.gateway.metrics.registry.get_sample_value(f"loraloop_{name}", labels) or 0)
