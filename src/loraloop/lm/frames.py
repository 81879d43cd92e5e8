"""Frames between a process and its child: four bytes of length, then JSON."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

Frame = dict[str, Any]


def write_frame(out: IO[bytes], frame: Frame) -> None:
    """Write one frame."""
    body = json.dumps(frame).encode()
    out.write(struct.pack(">I", len(body)) + body)
    out.flush()


def read_frame(source: IO[bytes]) -> Frame | None:
    """Read one frame; ``None`` at the end."""
    head = source.read(4)
    if len(head) < 4:
        return None
    frame: Frame = json.loads(source.read(struct.unpack(">I", head)[0]))
    return frame
