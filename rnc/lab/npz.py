"""Conversion of dataclasses of arrays, frames and plain values to and from npz, without pickle and with a memory limit.

Tested by tests/rnc/lab/test_result_base.py.
"""

import dataclasses
import io
import json
import zipfile
from typing import Any, TypeVar

import numpy as np
import pandas as pd

Record = TypeVar("Record")
_PLAIN = "plain"  # the member that holds all values that are neither array nor frame, as JSON
_KINDS = "biufU"


class ContentError(ValueError):
    """Bytes that are not a result of the lab, or a result that is too large to read."""


def to_bytes(record: Any, name: str, *, compressed: bool = False) -> bytes:
    """Return the fields of a dataclass, and its name, as npz bytes: arrays unchanged, frames by column, other values as JSON."""
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = value
        elif isinstance(value, pd.DataFrame):
            plain[field.name] = list(value.columns)
            arrays |= {f"{field.name}/{name}": _column(value[name]) for name in value.columns}
        else:
            plain[field.name] = value
    text = json.dumps({"record": name} | plain, default=_as_plain)
    arrays[_PLAIN] = np.frombuffer(text.encode(), dtype=np.uint8)
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, allow_pickle=False, **arrays)
    return content.getvalue()


def from_bytes(content: bytes, kinds: dict[str, type[Record]], most_bytes: int) -> Record:
    """Read a record of one of these dataclasses, by name.

    Raises ContentError if the content is invalid, or before more than `most_bytes` would be unpacked.
    """
    try:
        arrays = _members(content, most_bytes)
        plain = json.loads(arrays.pop(_PLAIN).tobytes())
        of = kinds[plain.pop("record")]
        given: dict[str, Any] = {}
        for field in dataclasses.fields(of):  # type: ignore[arg-type]
            if field.type is np.ndarray:
                given[field.name] = arrays[field.name]
            elif field.type is pd.DataFrame:
                given[field.name] = pd.DataFrame({name: arrays[f"{field.name}/{name}"] for name in plain[field.name]})
            elif (
                field.name in plain or field.default is dataclasses.MISSING
            ):  # a missing field with a default is newer than the record
                given[field.name] = plain[field.name]
        return of(**given)
    except ContentError:
        raise
    except Exception as error:  # the exceptions of zip files and npy headers for damaged data are not documented
        raise ContentError(f"this is no result of the lab, or a damaged one ({error}); run the attack again") from None


def _members(content: bytes, most_bytes: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > most_bytes:
            raise ContentError(f"this result takes more than {most_bytes >> 20} MiB unpacked, and is not read")
        return {info.filename.removesuffix(".npy"): _array(archive.read(info)) for info in infos}


def _array(member: bytes) -> np.ndarray:
    """Read an npy file from memory, and check that the size in its header agrees with the bytes that follow."""
    file = io.BytesIO(member)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    count = int(np.prod(shape, dtype=object))
    if dtype.kind not in _KINDS or fortran or any(size < 0 for size in shape):
        raise ContentError(f"this is no result of the lab: it holds an array of {dtype}")
    body = memoryview(member)[file.tell() :]
    if len(body) != count * dtype.itemsize:
        raise ContentError("this is no result of the lab: an array's size is not that of its bytes")
    return np.frombuffer(body, dtype).reshape(shape) if count else np.zeros(shape, dtype)


def _column(values: pd.Series) -> np.ndarray:
    """Return texts as fixed-width strings, because an object array would need pickle."""
    column = values.to_numpy()
    return column.astype(str) if column.dtype == object else column


def _as_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not kept in a result")
