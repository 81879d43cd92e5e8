"""A fake of vLLM's HTTP server with dynamic LoRA, as versions 0.15 to 0.33 answer; it computes nothing.

Status codes and shapes are vLLM's: a name already loaded is 400, an unknown one 404, loading answers in plain words,
and prompt log-probabilities come as one mapping a token, none for the first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

BASE_NAME = "tiny-base"
MODEL_LENGTH = 512
"""Tokens that it reads at once; a character is one."""


class FakeVllm:
    """One server on a free port of this machine; ``async with`` runs it.

    Attributes:
        url: where it listens.
        refusing: loads fail as they do when the engine raises. lying: loads succeed and the base answers.
        loaded: names loaded now, with the digest of their weights.
        token_s: seconds between two tokens.
        aborted: answers whose reader left.
    """

    def __init__(self) -> None:
        self.url = ""
        self.refusing = self.lying = False
        self.loaded: dict[str, str] = {}
        self.token_s = 0.002
        self.aborted = 0
        app = web.Application()
        app.add_routes([
            web.get("/health", self._health),
            web.get("/v1/models", self._models),
            web.post("/v1/load_lora_adapter", self._load),
            web.post("/v1/unload_lora_adapter", self._unload),
            web.post("/tokenize", self._tokenize),
            web.post("/v1/completions", self._completions),
            web.post("/v1/chat/completions", self._chat),
        ])  # fmt: skip
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> FakeVllm:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, request: web.Request) -> web.Response:
        base = {"id": BASE_NAME, "object": "model", "root": "/models/tiny", "parent": None}
        adapters = [{"id": name, "object": "model", "parent": BASE_NAME} for name in self.loaded]
        return web.json_response({"object": "list", "data": [base, *adapters]})

    async def _load(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, weights = body["lora_name"], Path(body["lora_path"]) / "adapter_model.safetensors"
        if self.refusing:
            return _error(500, "InternalServerError", "engine failure")
        if name in self.loaded or name == BASE_NAME:
            return _error(400, "InvalidUserInput", f"The lora adapter '{name}' has already been loaded.")
        if not weights.is_file():
            return _error(404, "NotFoundError", f"Loading lora {name} failed: No adapter found")
        self.loaded[name] = "" if self.lying else hashlib.sha256(weights.read_bytes()).hexdigest()
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        name = (await request.json())["lora_name"]
        if name not in self.loaded:
            return _error(404, "NotFoundError", f"The lora adapter '{name}' cannot be found.")
        del self.loaded[name]
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body.get("prompt") or "\n".join(f"{m['role']}:{m['content']}" for m in body["messages"]) + "\nassistant:"
        return web.json_response(
            {"count": len(text.encode()), "tokens": list(text.encode()), "max_model_len": MODEL_LENGTH}
        )

    async def _completions(self, request: web.Request) -> web.Response:
        body = await request.json()
        weights = self._weights(body["model"])
        if weights is None:
            return _error(404, "NotFoundError", f"The model `{body['model']}` does not exist.")
        said: list[Any] = [None]
        for at, token in enumerate(body["prompt"][1:]):
            digest = hashlib.sha256(f"{weights} {at} {token}".encode()).digest()
            said.append({str(token): {"logprob": -digest[0] / 64 - 0.01, "rank": 1, "decoded_token": chr(token)}})
        choice = {"index": 0, "text": "x", "finish_reason": "length", "prompt_logprobs": said}
        return web.json_response({"object": "text_completion", "choices": [choice]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        weights = self._weights(body["model"])
        if weights is None:
            return _error(404, "NotFoundError", f"The model `{body['model']}` does not exist.")
        prompt_tokens = sum(len(m["content"]) for m in body["messages"])
        if prompt_tokens > MODEL_LENGTH:
            said = f"This model's maximum context length is {MODEL_LENGTH} tokens. Please reduce the length"
            return _error(400, "BadRequestError", said)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for number in range(body["max_tokens"]):
                await asyncio.sleep(self.token_s)
                last = number == body["max_tokens"] - 1
                await _event(response, {
                    "object": "chat.completion.chunk",
                    "choices": [{"index": 0, "delta": {"content": f"{weights[:8] or 'base'} "},
                                 "finish_reason": "length" if last else None}],
                    "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": number + 1},
                })  # fmt: skip
            await _event(response, {"object": "chat.completion.chunk", "choices": [], "usage": {}})
            await response.write(b"data: [DONE]\n\n")
        except (ConnectionResetError, asyncio.CancelledError):
            self.aborted += 1
            raise
        return response

    def _weights(self, model: str) -> str | None:
        return "" if model == BASE_NAME else self.loaded.get(model)


async def _event(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": kind, "param": None, "code": status}}, status=status
    )
