"""Everything the command line says, in English and Korean."""

from __future__ import annotations

import os

from . import (
    messages_data,
    messages_demo,
    messages_jobs,
    messages_keeping,
    messages_loop,
    messages_people,
    messages_trust,
)

LANGUAGES = ("en", "ko")
_chosen = "en"

CATALOGUE: dict[str, tuple[str, str]] = {
    **messages_loop.WORDS,
    **messages_people.WORDS,
    **messages_trust.WORDS,
    **messages_jobs.WORDS,
    **messages_data.WORDS,
    **messages_keeping.WORDS,
    **messages_demo.WORDS,
}


def choose_language(language: str | None) -> None:
    """Answer in a language from now on; ``None`` follows the ``LANG`` variable."""
    global _chosen
    asked = language or ("ko" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ko") else "en")
    _chosen = asked if asked in LANGUAGES else "en"


def t(key: str, **facts: object) -> str:
    """Return a message in the chosen language; a key without a message is shown as it is."""
    found = CATALOGUE.get(key)
    if found is None:
        return key.rpartition(".")[2]
    return found[LANGUAGES.index(_chosen)].format(**facts)


def korean() -> bool:
    """Whether messages are in Korean now."""
    return _chosen == "ko"
