"""What an evaluation has heard so far, kept on disk line by line so that a kill costs at most one batch.

Lines name what was asked by digest and hold answers to suites' questions and losses of rows: no words of a user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Memory:
    """What was heard before, by the digest of who was asked what and how.

    Attributes:
        answers: the text, and whether it ran into the limit of tokens.
        nats: losses of held-out rows.
    """

    answers: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    nats: Mapping[str, float] = field(default_factory=dict)

    def __or__(self, other: Memory) -> Memory:
        return Memory({**self.answers, **other.answers}, {**self.nats, **other.nats})


def read_notes(path: Path | None) -> Memory:
    """Return what an evaluation that was cut short had heard; a line torn by the cut is left out."""
    answers: dict[str, tuple[str, bool]] = {}
    nats: dict[str, float] = {}
    if path is None or not path.is_file():
        return Memory()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            noted = json.loads(line)
            if "nats" in noted:
                nats[noted["asked"]] = float(noted["nats"])
            else:
                answers[noted["asked"]] = (str(noted["text"]), bool(noted["cut_off"]))
        except (ValueError, KeyError, TypeError):
            continue
    return Memory(answers, nats)


class Notes:
    """Writes notes; what has no digest is not noted.

    Args:
        path: the file, appended to; ``None`` notes nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
            if self._file.tell():
                self._file.write("\n")  # after a line that may be torn

    def answer(self, asked: str, text: str, cut_off: bool) -> None:
        """Note an answer."""
        self._write(asked, text=text, cut_off=cut_off)

    def loss(self, asked: str, nats: float) -> None:
        """Note the loss of a row."""
        self._write(asked, nats=nats)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, asked: str, **heard: Any) -> None:
        if self._file is not None and asked:
            self._file.write(json.dumps({"asked": asked, **heard}, ensure_ascii=False) + "\n")
            self._file.flush()
