"""Chatterbot's YAML corpora, read as plain strings.

Only the node graph is composed, never YAML's types: an answer ``Yes`` stays the word and no tag can build an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import BadFile


def yaml_entries(path: Path, text: str, bad: Callable[[int, str], None]) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(line, [question, answer])`` for each answer of each entry under ``conversations:``.

    Args:
        path: named in errors.
        text: the whole file.
        bad: hears of entries that are no list of texts.

    Raises:
        BadFile: it is no YAML, or has no list of conversations.
    """
    import yaml  # type: ignore[import-untyped]

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise BadFile(f"{path}: not YAML{where}") from error
    entries = _conversations(root, yaml)
    if entries is None:
        raise BadFile(f"{path}: has no list 'conversations'", hint="check --format")
    for entry in entries:
        texts = entry.value if isinstance(entry, yaml.SequenceNode) else []
        if len(texts) < 2 or not all(isinstance(node, yaml.ScalarNode) for node in texts):
            bad(entry.start_mark.line + 1, "an entry is a list of a question and at least one answer, all text")
            continue
        question, *answers = texts
        for answer in answers:
            yield answer.start_mark.line + 1, [question.value, answer.value]


def _conversations(root: Any, yaml: Any) -> list[Any] | None:
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "conversations" and isinstance(value, yaml.SequenceNode):
                return list(value.value)
    return None
