"""The OpenAPI document of the gateway: what FastAPI knows, and the chat, which it does not see."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .chat_request import ChatBody

_REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> None:
    """Let ``app.openapi`` name the chat, the errors and the keys, too."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version="1", routes=app.routes)
            _complete(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schema = ChatBody.model_json_schema(ref_template=_REF)
    schema["additionalProperties"] = False
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas.update(schema.pop("$defs", {}))
    schemas["ChatBody"] = schema
    error = {"message": {"type": "string"}, "type": {"type": "string"},
             "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}  # fmt: skip
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object", "required": list(error), "properties": error}},
    }
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    document["paths"].setdefault("/v1/chat/completions", {})["post"] = {
        "summary": "Answer a conversation",
        "operationId": "chat",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model="ChatBody")}}},
        },
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {}, "text/event-stream": {}}}
        },
    }
    refused = {
        "description": "Refused",
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}},
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = refused
