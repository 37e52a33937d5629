"""Storage of lab results, which are found again by their key."""

import json
from dataclasses import dataclass
from datetime import datetime

from rnc.lab.kinds import request_from_json, result_from_bytes
from rnc.lab.request_base import Request
from rnc.lab.result_base import Result
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter


@dataclass(frozen=True)
class SavedResult:
    """A stored result with its request."""

    title: str
    saved_at: datetime
    """UTC, without a time zone."""
    request: Request
    result: Result


def save(writer: StoreWriter, request: Request, result: Result, title: str) -> bool:
    """Store a result under its request's key. Return whether the key is new.

    Raises ValueError if the result is incomplete, because its request would not give it again, or if it is too large, and
    StoreError if the store cannot be written.
    """
    if result.stopped:
        raise ValueError(
            "only a complete result can be kept, because its request must give it again; run it to its end"
        )
    summary = json.dumps(result.summary(), allow_nan=False)
    return writer.save_lab_result(request.key, title, request.to_json(), summary, result.to_bytes(compressed=True))


def load(reader: StoreReader, key: str) -> SavedResult | None:
    """Return the stored result of a key, or None.

    Raises RequestError or ContentError (both ValueErrors) if the stored content cannot be read.
    """
    row = reader.lab.result(key)
    if row is None:
        return None
    request, result = request_from_json(row.request), result_from_bytes(row.content)
    return SavedResult(row.title, row.saved_at, request, result)
