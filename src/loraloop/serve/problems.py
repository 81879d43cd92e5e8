"""What went wrong, as OpenAI's clients expect to be told: a status and ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .. import errors

Headers = Iterable[tuple[bytes, bytes]]

TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
         405: "invalid_request_error", 408: "timeout_error", 413: "invalid_request_error", 415: "invalid_request_error",
         421: "invalid_request_error", 429: "rate_limit_error", 499: "client_left", 500: "server_error",
         503: "server_error", 504: "timeout_error"}  # fmt: skip

BY_ERROR: dict[type[errors.LoraloopError], int] = {
    errors.LoraloopError: 500,
    errors.UsageError: 400,
    errors.UnknownThing: 404,
    errors.SettingsError: 500,
    errors.DataError: 400,
    errors.ArtifactError: 503,
    errors.ModelError: 503,
    errors.TrainingError: 500,
    errors.EvaluationError: 500,
    errors.DeployError: 503,
    errors.EngineError: 503,
    errors.StoreError: 503,
}
"""Status of each error, by its nearest class here."""


class Problem(Exception):
    """A request that is refused.

    Attributes:
        status: HTTP status. param: the field at fault. code: for programs. retry_after_s: when to come again.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: float = 0
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after_s = retry_after_s

    def body(self) -> bytes:
        """The error as OpenAI's clients read it."""
        return error_body(self.status, self.message, self.param, self.code)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that belong to it."""
        found = [(b"content-type", b"application/json")]
        if self.retry_after_s:
            found.append((b"retry-after", str(max(1, round(self.retry_after_s))).encode()))
        return found


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> bytes:
    """Return an error as a JSON body."""
    said = {"message": message, "type": TYPES.get(status, "server_error"), "param": param, "code": code}
    return json.dumps({"error": said}, ensure_ascii=False).encode("utf-8", "replace")


def problem_of(error: errors.LoraloopError) -> Problem:
    """Return how an error of ours is told to a client; what is our own fault names no path or statement."""
    status = next(BY_ERROR[kind] for kind in type(error).__mro__ if kind in BY_ERROR)
    if status in (400, 404):
        message = str(error) if isinstance(error, errors.UsageError) else "this cannot be stored"
        if isinstance(error, errors.ConversationTooLong):
            return Problem(status, message, param="messages", code="context_length_exceeded")
        return Problem(status, message, code="unknown" if status == 404 else "refused")
    told = {
        errors.EngineError: "the engine is away; try again",
        errors.StoreError: "the store is away; try again",
    }
    message = next((said for kind, said in told.items() if isinstance(error, kind)), "this cannot be answered now")
    code = "engine_away" if isinstance(error, errors.EngineError) else "unavailable"
    return Problem(status, message, code=code, retry_after_s=1 if status == 503 else 0)
