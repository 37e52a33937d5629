"""Storage of lab results, which are found again by their key."""

import json
from dataclasses import dataclass
from datetime import datetime

from rnc.lab.requests import Request, from_json, to_json
from rnc.lab.results import Result, from_bytes, summary, to_bytes
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter


@dataclass(frozen=True)
class Kept:
    """A stored result with its request."""

    title: str
    saved_at: datetime
    """UTC, without a time zone."""
    request: Request
    result: Result


def keep(writer: StoreWriter, request: Request, result: Result, title: str) -> bool:
    """Store a result under its request's key. Return whether the key is new.

    Raises ValueError if the result is incomplete, because its request would not give it again, or if it is too large, and
    StoreError if the store cannot be written.
    """
    if result.stopped:
        raise ValueError("only a whole result is kept, under what was asked for; run it to its end")
    told = json.dumps(summary(result), allow_nan=False)
    return writer.save_lab_result(request.key, title, to_json(request), told, to_bytes(result, compressed=True))


def find(reader: StoreReader, key: str) -> Kept | None:
    """Return the stored result of a key, or None.

    Raises RequestError or ContentError (both ValueErrors) if the stored content cannot be read.
    """
    found = reader.lab.result(key)
    if found is None:
        return None
    return Kept(found.title, found.saved_at, from_json(found.request), from_bytes(found.content))
