"""The door: every request is looked at here first. What the table does not name is closed, whoever asks."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import LoraloopError
from .keys import CHAT, FEEDBACK, KNOWN, OPEN, OPERATE, READ, Caller
from .problems import Problem, problem_of

if TYPE_CHECKING:
    from .gateway import Gateway

log = logging.getLogger(__name__)

PERMISSIONS: dict[tuple[str, str], str] = {
    ("POST", "/v1/chat/completions"): CHAT,
    ("GET", "/v1/chat/completions"): READ,
    ("GET", "/v1/chat/completions/{id}"): READ,
    ("GET", "/v1/chat/completions/{id}/messages"): READ,
    ("DELETE", "/v1/chat/completions/{id}"): OPERATE,
    ("GET", "/v1/models"): KNOWN,
    ("GET", "/v1/models/{id}"): KNOWN,
    ("POST", "/v1/feedback"): FEEDBACK,
    ("POST", "/v1/consents"): CHAT,
    ("GET", "/v1/reviews"): OPERATE,
    ("POST", "/v1/reviews"): OPERATE,
    ("GET", "/v1/fine_tuning/jobs"): READ,
    ("POST", "/v1/fine_tuning/jobs"): OPERATE,
    ("GET", "/v1/fine_tuning/jobs/{id}"): READ,
    ("GET", "/v1/fine_tuning/jobs/{id}/events"): READ,
    ("GET", "/v1/fine_tuning/jobs/{id}/checkpoints"): READ,
    ("POST", "/v1/fine_tuning/jobs/{id}/cancel"): OPERATE,
    ("POST", "/v1/fine_tuning/jobs/{id}/pause"): OPERATE,
    ("POST", "/v1/fine_tuning/jobs/{id}/resume"): OPERATE,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): READ,
    ("GET", "/openapi.json"): KNOWN,
}
"""What each method of each path asks for. A route that is not here cannot be reached."""

ANONYMOUS = Caller("token", frozenset())
"""Whoever brings no key; only a presigned token, checked by the feedback route itself, lets it in."""
_SAFE = {"GET", "HEAD", "OPTIONS"}
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}
_TEMPLATES = [
    (re.compile(re.escape(path).replace(r"\{id\}", r"[^/]+")), path)
    for path in sorted({p for _, p in PERMISSIONS})
    if "{" in path
]
_PORT = re.compile(r":\d+$")
_PLAIN = {path for _, path in PERMISSIONS if "{" not in path}


def in_url(host: str) -> str:
    """Return an address as a URL and a Host header name it: IPv6 in brackets.

    Example:
        >>> in_url("::1"), in_url("127.0.0.1")
        ('[::1]', '127.0.0.1')
    """
    return f"[{host}]" if ":" in host else host


def template_of(path: str) -> str | None:
    """Return the path of the table that a request's path is an instance of."""
    if path in _PLAIN:
        return path
    return next((template for pattern, template in _TEMPLATES if pattern.fullmatch(path)), None)


class Door:
    """Host, origin, key, role, rate, size: then an app, whose failures become OpenAI's errors here."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        config = gateway.config
        self._hosts = {*_LOCAL, in_url(config.host).lower(), *(host.lower() for host in config.allowed_hosts)}
        self._origins = {origin.rstrip("/").lower() for origin in config.allowed_origins}
        self._refreshing: asyncio.Task[None] | None = None

    def before(self, app: ASGIApp) -> ASGIApp:
        """Return an app that nobody reaches but through this door."""
        return partial(self._answer, app)

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return  # a web socket is closed by the server: nothing here speaks it
        gateway, begun = self._gateway, False
        headers: dict[bytes, bytes] = dict(scope["headers"])
        more = [(b"x-request-id", b"req-" + secrets.token_hex(8).encode())]

        async def tell(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        gateway.active += 1
        try:
            if not self._is_preflight(scope, headers, more):
                await self._admit(scope, headers, more)
                await app(scope, receive, tell)
                return
            await tell({"type": "http.response.start", "status": 204, "headers": []})
            await tell({"type": "http.response.body", "body": b""})
        except Problem as problem:
            await self._refuse(problem, begun, tell)
        except LoraloopError as error:
            log.warning("%s: %s", type(error).__name__, "a request could not be answered")
            await self._refuse(problem_of(error), begun, tell)
        except Exception as error:  # the last resort: the client gets an answer, the log the place
            log.error("a fault of this program: %s", type(error).__name__, exc_info=_without_text(error))
            await self._refuse(Problem(500, "a fault of this program", code="bug"), begun, tell)
        finally:
            gateway.active -= 1

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes], more: list[tuple[bytes, bytes]]) -> None:
        """Raise a Problem unless this request may go on."""
        gateway = self._gateway
        config, method, path = gateway.config, scope["method"], scope["path"]
        self._check_host(headers)
        self._check_origin(headers, method, more)
        template = template_of(path)
        action = PERMISSIONS.get((method, template)) if template else None
        if action is OPEN:
            scope.setdefault("state", {})["caller"] = ANONYMOUS
            return
        caller = await self._caller(headers)
        if caller is None:
            if action is not FEEDBACK or b"authorization" in headers:
                raise Problem(401, "a key is missing or wrong: Authorization: Bearer ll_...", code="invalid_api_key")
            caller = ANONYMOUS
        if template is None:
            raise Problem(404, "there is no such path", code="unknown_path")
        if action is None:
            raise Problem(405, f"{method} is not possible here", code="method_not_allowed")
        if caller is not ANONYMOUS and action not in caller.may:
            raise Problem(403, "this key may not do that", code="permission_denied")
        if gateway.draining:
            raise Problem(503, "shutting down; try another", code="shutting_down", retry_after_s=5)
        if gateway.active > config.max_active:
            raise Problem(503, "too many requests at once; try again", code="overloaded", retry_after_s=1)
        client = scope.get("client")
        wait = gateway.buckets.take(caller.id if caller is not ANONYMOUS else f"ip:{client[0] if client else ''}")
        if wait:
            raise Problem(429, "this key asks too fast", code="rate_limit_exceeded", retry_after_s=wait)
        if method == "POST":
            _check_body(headers, config.max_body_bytes)
        scope.setdefault("state", {})["caller"] = caller

    async def _caller(self, headers: dict[bytes, bytes]) -> Caller | None:
        ring = self._gateway.ring
        scheme, _, text = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        key = text.strip() if hmac.compare_digest(scheme.lower().encode(), b"bearer") else ""
        if ring.is_old and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh())
        found = ring.find(key)
        is_sure = not key or (found is not None and not ring.is_stale)
        if not is_sure and self._refreshing is not None and not self._refreshing.done():
            await self._refreshing
            found = ring.find(key)
        return found

    async def _refresh(self) -> None:
        try:
            await asyncio.to_thread(self._gateway.ring.refresh)
        except LoraloopError as error:
            log.warning("keys could not be read anew (%s); those known go on", type(error).__name__)

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if _PORT.sub("", host) not in self._hosts and host not in self._hosts:
            raise Problem(
                421, "this gateway is not called by that name; see [serve] allowed_hosts", code="unknown_host"
            )

    def _check_origin(self, headers: dict[bytes, bytes], method: str, more: list[tuple[bytes, bytes]]) -> None:
        """A page in a browser says where it comes from; only pages of the list may change something."""
        origin = headers.get(b"origin")
        if origin is None:
            if method not in _SAFE and headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
                raise Problem(403, "a page of that origin may not do this", code="unknown_origin")
            return
        if origin.decode("latin-1").lower() in self._origins:
            more += [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        elif method not in _SAFE:
            raise Problem(
                403, "a page of that origin may not do this; see [serve] allowed_origins", code="unknown_origin"
            )

    def _is_preflight(self, scope: Scope, headers: dict[bytes, bytes], more: list[tuple[bytes, bytes]]) -> bool:
        asked = headers.get(b"access-control-request-method")
        if scope["method"] != "OPTIONS" or asked is None:
            return False
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin not in self._origins or (asked.decode("latin-1"), template_of(scope["path"])) not in PERMISSIONS:
            return False
        self._check_host(headers)
        more += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", asked),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-max-age", b"600"),
            (b"vary", b"origin"),
        ]
        return True

    async def _refuse(self, problem: Problem, begun: bool, tell: Send) -> None:
        self._gateway.metrics.refused(problem.status)
        if begun:  # the status line has gone: the stream ends without its end, and the client sees that
            raise problem from None  # nor does the server's log repeat the words of what went wrong
        body = problem.body()
        headers = [*problem.headers(), (b"content-length", str(len(body)).encode())]
        await tell({"type": "http.response.start", "status": problem.status, "headers": headers})
        await tell({"type": "http.response.body", "body": body})


def _check_body(headers: dict[bytes, bytes], most: int) -> None:
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Problem(415, "the body must be application/json", code="invalid_content_type")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > most:
        raise Problem(413, f"the body is larger than {most} bytes", code="too_large")


def _without_text(error: BaseException) -> Any:
    """The traceback without the error's own words, which may repeat what somebody wrote."""
    return (RuntimeError, RuntimeError(type(error).__name__), error.__traceback__)


async def read_body(receive: Receive, most: int) -> bytes:
    """Return the whole body.

    Raises:
        Problem: it is longer than ``most``, or the client left.
    """
    message = await receive()
    raw: bytes = message.get("body", b"")
    pieces = [raw]
    size = len(raw)
    while message["type"] == "http.request" and message.get("more_body") and size <= most:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
    if message["type"] == "http.disconnect":
        raise Problem(499, "the client left", code="client_left")
    if size > most:
        raise Problem(413, f"the body is larger than {most} bytes", code="too_large")
    return b"".join(pieces)
