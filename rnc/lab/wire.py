"""Messages between the server and the lab's worker: a JSON object and an optional blob, without pickle."""

import json
import struct
from typing import IO, Any

_LENGTHS = struct.Struct(">II")
_MOST_JSON = 2**22
_MOST_BLOB = 2**28


class WireError(Exception):
    """Bytes that are not a valid message, or a message that is too large."""


def packed(message: dict[str, Any]) -> bytes:
    """Return the bytes of a message without a blob. Raises WireError if it is too large."""
    return _packed(message, 0)


def send(stream: IO[bytes], message: dict[str, Any], blob: bytes = b"") -> None:
    """Write a message and flush the stream. Raises WireError if it is too large, OSError if the other process has gone."""
    stream.write(_packed(message, len(blob)))
    stream.write(blob)
    stream.flush()


def _packed(message: dict[str, Any], blob_length: int) -> bytes:
    text = json.dumps(message).encode()
    if len(text) > _MOST_JSON or blob_length > _MOST_BLOB:
        raise WireError(
            f"what is asked for or answered is too large: {len(text):,} bytes of text and {blob_length:,} of arrays; at most "
            f"{_MOST_JSON:,} and {_MOST_BLOB:,} are possible; ask for fewer images"
        )
    return _LENGTHS.pack(len(text), blob_length) + text


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Return the next message, or None if the other process has gone. Raises WireError if the bytes are not a message."""
    head = _exactly(stream, _LENGTHS.size)
    if head is None:
        return None
    text_length, blob_length = _LENGTHS.unpack(head)
    if text_length > _MOST_JSON or blob_length > _MOST_BLOB:
        raise WireError("what came is no message of the lab")
    text, blob = _exactly(stream, text_length), _exactly(stream, blob_length)
    if text is None or blob is None:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise WireError("what came is no message of the lab") from None
    if not isinstance(message, dict):
        raise WireError("what came is no message of the lab")
    return message, blob


def _exactly(stream: IO[bytes], count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = stream.read(min(count, 2**20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
