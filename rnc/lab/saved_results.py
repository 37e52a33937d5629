"""Results of the lab kept in the store, and found again by their key."""

import json
from dataclasses import dataclass
from datetime import datetime

from rnc.lab.requests import Request, from_json, to_json
from rnc.lab.results import Result, from_bytes, summary, to_bytes
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter


@dataclass(frozen=True)
class Kept:
    """A kept result, with what was asked for."""

    title: str
    saved_at: datetime
    """UTC, without a zone."""
    request: Request
    result: Result


def keep(writer: StoreWriter, request: Request, result: Result, title: str) -> bool:
    """Keep a result under its request's key; whether it is new there.

    Raises ValueError for a stopped one, which its request would not give again, and for one that is too large, and
    StoreError where the store cannot be written.
    """
    if result.stopped:
        raise ValueError("only a whole result is kept, under what was asked for; run it to its end")
    told = json.dumps(summary(result), allow_nan=False)
    return writer.save_lab_result(request.key, title, to_json(request), told, to_bytes(result, compressed=True))


def find(reader: StoreReader, key: str) -> Kept | None:
    """The kept result of a key, or None.

    Raises RequestError or ContentError (both ValueErrors) where what is stored cannot be read.
    """
    found = reader.lab_result(key)
    if found is None:
        return None
    return Kept(found.title, found.saved_at, from_json(found.request), from_bytes(found.content))
