"""One path of an OpenAI-compatible API, asked with bounded retries; what goes wrong is logged and is no answer."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import UsageError

log = logging.getLogger(__name__)

T = TypeVar("T")
_TRY_AGAIN = {408, 409, 429, 500, 502, 503, 504}


class Endpoint:
    """Posts JSON to one address.

    Args:
        what: it is, for messages ("the judge"). setting: where its address is set.
        url: of the API. path: added to it.
        key: sent as a bearer token; ``None`` sends none.
        timeout_s: of one request. retries: further tries after a failure that may pass, each after twice the delay.
        sleep: waits between tries; handed in by tests.

    Raises:
        UsageError: the address is none.
    """

    def __init__(
        self,
        what: str,
        url: str,
        path: str,
        *,
        setting: str,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 2,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not re.match(r"https?://[^/]+", url):
            hint = f"{setting}, such as http://localhost:8000/v1"
            raise UsageError(f"{url!r} is no address of {what.removeprefix('the ')}", hint=hint)
        import httpx2

        self._what, self._url, self._retries, self._sleep = what, f"{url.rstrip('/')}{path}", retries, sleep
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(timeout=timeout_s, headers=headers)  # redirects are not followed

    def post(self, body: Mapping[str, Any], read: Callable[[Any], T]) -> T | None:
        """Return what ``read`` makes of the reply; ``None`` where there is none, or it raises ``ValueError``."""
        import httpx2

        for attempt in range(self._retries + 1):
            if attempt:
                self._sleep(0.5 * 2**attempt)
            try:
                response = self._client.post(self._url, json=body)
                if response.status_code in _TRY_AGAIN:
                    log.warning("%s answered %d", self._what, response.status_code)
                    continue
                response.raise_for_status()
                return read(response.json())
            except httpx2.TransportError as error:
                log.warning("%s could not be asked: %s", self._what, type(error).__name__)
            except (httpx2.HTTPError, ValueError) as error:
                log.warning("%s gave no answer: %s", self._what, type(error).__name__)
                return None
        return None
