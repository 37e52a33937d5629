"""The header of a safetensors file: its metadata, and the shapes of its tensors, checked before anything is allocated.

The file begins with the header's length (8 bytes, little-endian); the header is JSON: `__metadata__`, and for every
tensor its dtype, shape and offsets. safetensors itself checks that the offsets cover the file without overlap.

Tested by tests/rnc/models/test_weights.py.
"""

import json
from dataclasses import dataclass
from typing import Any

MOST_HEADER_BYTES = 4 * 2**20
"""About a hundred times the size needed by the largest network of torchvision."""
MOST_TENSORS = 20_000
_LENGTH_BYTES = 8
_METADATA = "__metadata__"


class HeaderError(ValueError):
    """The error of bytes that are not a safetensors file, or of a header that is too large or contradicts itself."""


@dataclass(frozen=True)
class Header:
    """The metadata of a file, and the shape of each tensor by name."""

    metadata: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


def read_header(content: bytes) -> Header:
    """Return the header of a complete file in memory. Raises HeaderError."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if len(content) < _LENGTH_BYTES or length > len(content) - _LENGTH_BYTES:
        raise HeaderError("it is not a safetensors file, or is cut short")
    if length > MOST_HEADER_BYTES:
        raise HeaderError(f"its header has {length:,} bytes; at most {MOST_HEADER_BYTES:,} are read")
    try:
        header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length], object_pairs_hook=_without_repeats)
    except HeaderError:
        raise
    except (ValueError, RecursionError):
        raise HeaderError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise HeaderError("its header is not a JSON object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or len(header) > MOST_TENSORS:
        raise HeaderError(f"its header must have metadata as an object and at most {MOST_TENSORS:,} tensors")
    return Header(metadata, {name: _shape(name, entry) for name, entry in header.items()})


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise HeaderError("its header has the same name twice")
    return entries


def _shape(name: str, entry: Any) -> tuple[int, ...]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise HeaderError(f"its header gives no shape for tensor {name[:80]!r}")
    return tuple(shape)
