"""Read and check ``.safetensors`` files without torch: header, bounds, overlaps, finite numbers, canonical digest.

Source: the safetensors format (8-byte little-endian header length, JSON header, then one contiguous buffer).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import ArtifactError

MAX_HEADER_BYTES = 1_000_000
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the tensors a file declares and the offset of its buffer.

    Returns:
        ``({name: {"dtype", "shape", "data_offsets"}}, offset in bytes)``, sorted by name.

    Raises:
        ArtifactError: the file is truncated, its header is no JSON or over 1 MB, or tensors overlap, leave gaps or
            reach past the end.
    """
    with path.open("rb") as file:
        return _header_of(path.name, file)


def _header_of(name: str, file: IO[bytes]) -> tuple[dict[str, Any], int]:
    size_bytes = os.fstat(file.fileno()).st_size
    lead = file.read(8)
    length = struct.unpack("<Q", lead)[0] if len(lead) == 8 else size_bytes
    if length > MAX_HEADER_BYTES or 8 + length > size_bytes:
        raise ArtifactError(f"{name}: not a whole safetensors file (header of {length} bytes in {size_bytes})")
    try:
        header = json.loads(file.read(length))
    except ValueError as error:
        raise ArtifactError(f"{name}: its header cannot be read ({error})") from error
    if not isinstance(header, dict):
        raise ArtifactError(f"{name}: its header is not a table of tensors")
    header.pop("__metadata__", None)
    _check_layout(name, header, size_bytes - 8 - length)
    return dict(sorted(header.items())), 8 + length


def _check_layout(name: str, header: dict[str, Any], buffer_bytes: int) -> None:
    reached = 0
    try:
        spans = sorted((tuple(entry["data_offsets"]), key, entry) for key, entry in header.items())
        for (begin, end), key, entry in spans:
            expected = _ITEM_BYTES[entry["dtype"]]
            for extent in entry["shape"]:
                expected *= extent
            if begin != reached or end - begin != expected:
                raise ArtifactError(f"{name}: tensor {key} does not fit its place in the file")
            reached = end
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{name}: its header is malformed ({error!r})") from error
    if reached != buffer_bytes:
        raise ArtifactError(f"{name}: truncated or padded ({buffer_bytes} bytes of numbers, {reached} declared)")


def tensors(path: Path) -> Iterator[tuple[str, dict[str, Any], bytearray]]:
    """Yield ``(name, header entry, raw bytes)`` of every tensor, in name order; the bytes are the caller's to keep."""
    with path.open("rb") as file:
        header, offset = _header_of(path.name, file)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            raw = bytearray(end - begin)
            file.seek(offset + begin)
            if file.readinto(raw) != len(raw):
                raise ArtifactError(f"{path.name}: truncated while it was read")
            yield name, entry, raw


def all_finite(entry: dict[str, Any], raw: bytes | bytearray) -> bool:
    """Return whether a tensor holds no NaN and no infinity (integers always pass)."""
    import numpy as np

    if entry["dtype"] == "BF16":
        return not bool(((np.frombuffer(raw, np.uint16) & 0x7F80) == 0x7F80).any())
    kinds = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
    kind = kinds.get(entry["dtype"])
    return kind is None or bool(np.isfinite(np.frombuffer(raw, kind)).all())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
