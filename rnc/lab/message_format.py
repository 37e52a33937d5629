"""The messages between the server and the lab's worker: a JSON object and optional binary data, without pickle.

Tested by tests/rnc/lab/test_parts.py.
"""

import json
import struct
from collections.abc import Iterator
from io import BufferedReader
from typing import IO, Any

_LENGTHS = struct.Struct(">II")
_MOST_JSON = 2**22
_MOST_DATA = 2**28
CHUNK_BYTES = 2**20
"""Largest number of bytes that are read at once."""

Message = tuple[dict[str, Any], bytes]


class MessageError(Exception):
    """Error raised for bytes that are not a valid message, and for a message that is too large."""


def pack(message: dict[str, Any], data: bytes = b"") -> bytes:
    """Return the bytes of a message. Raises MessageError if it is too large."""
    return _head(message, len(data)) + data


def send_message(stream: IO[bytes], message: dict[str, Any], data: bytes = b"") -> None:
    """Write a message and flush. Raises MessageError if it is too large, OSError if the other process has ended."""
    stream.write(_head(message, len(data)))
    stream.write(data)
    stream.flush()


def take_message(received: bytearray) -> Message | None:
    """Remove the first message from the received bytes and return it; None if it is incomplete.

    Raises MessageError if the bytes are not a message.
    """
    if len(received) < _LENGTHS.size:
        return None
    text_length, data_length = _LENGTHS.unpack_from(received)
    if text_length > _MOST_JSON or data_length > _MOST_DATA:
        raise MessageError("the received bytes are not a message of the lab")
    text_end = _LENGTHS.size + text_length
    end = text_end + data_length
    if len(received) < end:
        return None
    try:
        message = json.loads(received[_LENGTHS.size : text_end])
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise MessageError("the received bytes are not a message of the lab")
    data = bytes(memoryview(received)[text_end:end])
    del received[:end]
    return message, data


def messages(stream: BufferedReader) -> Iterator[Message]:
    """Yield a stream's messages until the other process ends. Raises MessageError if the bytes are not messages."""
    received = bytearray()
    while part := stream.read1(CHUNK_BYTES):
        received += part
        while (message := take_message(received)) is not None:
            yield message


def _head(message: dict[str, Any], data_length: int) -> bytes:
    """Return the lengths and the JSON text of a message."""
    text = json.dumps(message).encode()
    if len(text) > _MOST_JSON or data_length > _MOST_DATA:
        raise MessageError(
            f"the request or its result is too large: {len(text):,} bytes of text and {data_length:,} of arrays; at most "
            f"{_MOST_JSON:,} and {_MOST_DATA:,} are possible; ask for fewer images"
        )
    return _LENGTHS.pack(len(text), data_length) + text
