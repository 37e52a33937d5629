"""Files of weights that are damaged, of something else, or hostile: a name each, and what writes it to a path."""

import gzip
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes

from tests.train.malformed.network import picture, small, state

Case = tuple[str, Callable[[Path], None]]
OWNED = "RNC_TEST_OWNED"
"""The environment's name of the file that hostile code would make."""


class Hostile:
    """Unpickled by the usual loader, it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f'touch "${OWNED}"',)


class HostileEval:
    """The same by another door."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open(__import__('os').environ['{OWNED}'], 'w').close()",)


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _truncated()
    yield from _flipped()
    yield from _wrong_states()
    yield from _code()
    yield from _bombs()
    yield from _other_files()


def _torch_bytes(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def _content(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _saved(value: Any, **options: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(value, path, **options)


def _formats() -> dict[str, bytes]:
    legacy = _torch_bytes(state(), _use_new_zipfile_serialization=False)
    return {"safetensors": safetensors_bytes(state()), "torch": _torch_bytes(state()), "legacy": legacy}


def _truncated() -> Iterator[Case]:
    for name, whole in _formats().items():
        for share in range(1, 12):
            yield f"{name} cut to {share}/12", _content(whole[: len(whole) * share // 12])
        yield f"{name} without its last byte", _content(whole[:-1])


def _flipped() -> Iterator[Case]:
    """Flips that must be found: in the header of safetensors, which has no checksum for the rest; anywhere in a zip's data."""
    header = safetensors_bytes(state())
    end = 8 + struct.unpack("<Q", header[:8])[0]
    for place in range(0, end, max(end // 15, 1)):
        yield f"safetensors header, bit {place}", _content(_flip(header, place))
    whole = _torch_bytes(state())
    start, stop = whole.index(b"data.pkl"), whole.rindex(b"PK\x01\x02")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = [(entry.filename, entry.header_offset + 30, entry.file_size) for entry in archive.infolist()]
    for filename, offset, size in entries:
        if size and start <= offset + 64 < stop:
            place = whole.index(archive_bytes(whole, filename), offset)
            yield f"torch entry {filename.rpartition('/')[2]}", _content(_flip(whole, place + size // 2))


def archive_bytes(whole: bytes, filename: str) -> bytes:
    """An entry's content."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return archive.read(filename)


def _flip(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 4
    return bytes(damaged)


def _wrong_states() -> Iterator[Case]:
    good = state()
    for name in good:
        for number in ("nan", "inf", "-inf"):
            yield f"{number} in {name}", _saved(good | {name: good[name].clone().fill_(float(number))})
        yield f"{name} missing", _saved({other: tensor for other, tensor in good.items() if other != name})
        yield f"{name} of another shape", _saved(good | {name: torch.zeros(7, *good[name].shape)})
        yield f"{name} one longer", _saved(good | {name: torch.cat([good[name], good[name][:1]])})
        yield f"{name} whole numbers", _saved(good | {name: good[name].long()})
        yield f"{name} true and false", _saved(good | {name: good[name] > 0})
        yield f"{name} complex", _saved(good | {name: good[name].to(torch.complex64)})
        yield f"{name} huge by strides", _saved(good | {name: torch.zeros(1).expand(2**40)})
    yield "one nan among numbers", _saved(good | {"1.weight": _with_nan(good["1.weight"])})
    yield "outputs overflow", _saved({name: torch.full_like(tensor, 3e38) for name, tensor in good.items()})
    yield "another layer more", _saved(good | {"5.weight": torch.zeros(2, 2)})
    yield "other names", _saved({f"x{name}": tensor for name, tensor in good.items()})
    yield "two networks", _saved({f"{x}.{name}": tensor + (x == "b") for x in "ab" for name, tensor in good.items()})
    yield "four classes", _saved(small(4).state_dict())
    yield "sparse", _saved(good | {"1.weight": good["1.weight"].to_sparse()})
    yield "meta", _saved(good | {"1.weight": good["1.weight"].to("meta")})
    for name, value in {
        "nothing": {},
        "None": None,
        "a number": 3,
        "a text": "weights",
        "a tensor": torch.zeros(3),
        "a list of tensors": [torch.zeros(3)],
        "numbers by name": {"1.weight": 1.0},
        "numbers as names": {1: torch.zeros(3)},
        "lists by name": {name: tensor.tolist() for name, tensor in good.items()},
        "arrays by name": {name: tensor.numpy() for name, tensor in good.items()},
        "an optimiser alone": torch.optim.SGD(small().parameters(), 0.1).state_dict(),
        "an empty state dict": {"state_dict": {}},
        "a state dict of texts": {"state_dict": {"1.weight": "x"}},
        "nested too deep": {"model": {"model": {"model": {"model": good}}}},
    }.items():
        yield f"torch of {name}", _saved(value)


def _with_nan(tensor: torch.Tensor) -> torch.Tensor:
    changed = tensor.clone()
    changed[-1, -1] = float("nan")
    return changed


def _code() -> Iterator[Case]:
    good = state()
    for kind in (Hostile, HostileEval):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            yield f"{kind.__name__} in pickle {protocol}", _content(pickle.dumps({"w": kind()}, protocol))
        for name, value in {
            "alone": kind(),
            "beside": good | {"x": kind()},
            "within": {"state_dict": good, "x": kind()},
        }.items():
            yield f"{kind.__name__} {name} in torch", _saved(value)
            yield f"{kind.__name__} {name} in legacy torch", _saved(value, _use_new_zipfile_serialization=False)
        yield f"{kind.__name__} as safetensors", _content(struct.pack("<Q", 400) + pickle.dumps(kind()))
        yield f"{kind.__name__} in an object array", _content(_object_npz(kind()))
    yield "a whole module", _saved(small())
    yield "a script", lambda path: torch.jit.trace(small(), torch.zeros(1, 3, 8, 8)).save(str(path))


def _object_npz(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([value], dtype=object))
    return buffer.getvalue()


def _bombs() -> Iterator[Case]:
    whole = _torch_bytes(state())
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            zeros = entry.filename.endswith("data/0")
            new.writestr(entry.filename, bytes(2**24) if zeros else old.read(entry))
    yield "a torch file that unpacks to 16 MB", _content(buffer.getvalue())
    told = bytearray(whole)
    place = told.rindex(b"PK\x01\x02")
    told[place + 24 : place + 28] = struct.pack("<I", 2**31)
    yield "a torch file that says to be of 2 GB", _content(bytes(told))
    for length in (2**62, 2**40, 2**27, 0, 1):
        yield f"a safetensors header of {length} bytes", _content(struct.pack("<Q", length) + b"{}" + bytes(30))
    for name, shape, offsets in (
        ("beyond the end", [2**20], [0, 2**22]),
        ("backwards", [4], [16, 0]),
        ("huge", [2**50], [0, 2**52]),
        ("negative", [-4], [0, 16]),
    ):
        header = json.dumps({"1.weight": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}).encode()
        yield f"a safetensors tensor {name}", _content(struct.pack("<Q", len(header)) + header + bytes(16))
    nested = b"[" * 100_000
    yield "deep JSON in safetensors", _content(struct.pack("<Q", len(nested)) + nested)
    yield "deep pickle", _content(b"\x80\x04" + b"]" * 50_000 + b".")
    yield "a pickle that asks for 1 TB", _content(b"\x80\x04c__builtin__\nbytearray\nI1099511627776\n\x85R.")


def _other_files() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for name, content in {
        "empty": b"",
        "one byte": b"\x00",
        "text": b"these are no weights\n",
        "JSON": b'{"1.weight": [1, 2]}',
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(500),
        "gzip": gzip.compress(b"weights"),
        "PNG": picture(),
        "ELF": b"\x7fELF" + bytes(100),
        "zip of nothing": b"PK\x05\x06" + bytes(18),
        "start of a zip": b"PK\x03\x04" + bytes(100),
        "start of a pickle": b"\x80\x02",
        "ONNX": b"\x08\x07\x12\x07pytorch" + bytes(100),
    }.items():
        yield f"file: {name}", _content(content)
    for number in range(15):
        yield f"random bytes {number}", _content(rng.bytes(int(rng.integers(8, 3000))))
    yield "no file", lambda path: None
    yield "an empty folder", lambda path: path.mkdir()
    yield "a folder of other files", _folder_of_notes
    yield "a link to nothing", lambda path: path.symlink_to("nowhere")
    yield "a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")
    yield "a pipe", lambda path: os.mkfifo(path)


def _folder_of_notes(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("no weights")
