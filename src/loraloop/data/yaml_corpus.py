"""Chatterbot's YAML corpora, read as plain strings, from a file or from the Python package that ships them.

Only the node graph is composed, never YAML's types: an answer ``Yes`` stays the word and no tag can build an object.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadFile

PACKAGE_PREFIX = "package:"
_TALKS = "conversations"
"""Category of a file whose entries are talks, turn by turn; elsewhere an entry is a question and possible answers."""


def yaml_entries(path: Path, text: str, bad: Callable[[int, str], None]) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(line, texts)``, question and answer in turn: one talk of an entry, or one pair for each of its answers.

    Args:
        path: named in errors.
        text: the whole file.
        bad: hears of entries that are no list of texts.

    Raises:
        BadFile: it is no YAML, or has no list of conversations.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise BadFile(f"{path}: not YAML{where}") from error
    entries = _listed(root, "conversations", yaml)
    if entries is None:
        raise BadFile(f"{path}: has no list 'conversations'", hint="check --format")
    talks = any(node.value == _TALKS for node in _listed(root, "categories", yaml) or [])
    for entry in entries:
        texts = entry.value if isinstance(entry, yaml.SequenceNode) else []
        if len(texts) < 2 or not all(isinstance(node, yaml.ScalarNode) for node in texts):
            bad(entry.start_mark.line + 1, "an entry is a list of a question and at least one answer, all text")
            continue
        question, *answers = texts
        if talks:
            yield question.start_mark.line + 1, [node.value for node in texts]
            continue
        for answer in answers:
            yield answer.start_mark.line + 1, [question.value, answer.value]


def _listed(root: Any, name: str, yaml: Any) -> list[Any] | None:
    """The nodes of the list under a key of the document, if there is one."""
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == name and isinstance(value, yaml.SequenceNode):
                return list(value.value)
    return None


def packaged(name: str) -> Path:
    """Return the file or folder meant by ``package:DISTRIBUTION/PART``, the part looked for at any depth.

    Example: ``package:chatterbot-corpus/english``, ``package:chatterbot-corpus/korean/food.yml``.

    Raises:
        BadFile: the distribution is not installed, or holds no such part.
    """
    distribution, _, part = name.removeprefix(PACKAGE_PREFIX).partition("/")
    return corpus_folder(distribution, part)


def corpus_folder(distribution: str, part: str) -> Path:
    """Return a folder (or file) of an installed distribution, by the end of its path.

    Raises:
        BadFile: the distribution is not installed, or holds no such part.
    """
    try:
        files = importlib.metadata.files(distribution) or []
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise BadFile(
            f"{PACKAGE_PREFIX}{distribution}: this package is not installed",
            hint=f"install it into this environment: pip install {distribution or 'NAME'}",
        ) from error
    wanted = PurePosixPath(part).parts
    for file in files:
        real = Path(str(file.locate()))
        for inside, found in zip((file, *file.parents), (real, *real.parents), strict=False):
            if wanted and inside.parts[-len(wanted) :] == wanted:
                return found
    raise BadFile(
        f"{PACKAGE_PREFIX}{distribution}/{part}: the package holds no such file or folder",
        hint="name a part of it, as in package:chatterbot-corpus/english",
    )
