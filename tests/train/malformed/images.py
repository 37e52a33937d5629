"""Data sets of one's own that are damaged, of something else, or hostile: a name each, and what writes it to a path."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.train.malformed.checkpoints import Hostile, HostileEval
from tests.train.malformed.network import CLASSES, SIDE, picture, write_images

Case = tuple[str, Callable[[Path], Any]]


def cases() -> Iterator[Case]:
    """All of them: folders, Parquet files, npz files, and what is none of these."""
    for name, content in _bad_pictures():
        yield f"image: {name}", _folder_with(content)
    yield from _folders()
    yield from _parquets()
    yield from _npzs()
    yield from _others()


def _folder_with(content: bytes) -> Callable[[Path], None]:
    """One bad image among good ones, not the first."""

    def write(path: Path) -> None:
        write_images(path)
        (path / CLASSES[1] / "1.png").write_bytes(content)

    return write


def _bad_pictures() -> Iterator[tuple[str, bytes]]:
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = picture(kind)
        for share in range(1, 6):
            yield f"{kind} cut to {share}/8", whole[: len(whole) * share // 8]
    png = picture()
    start = png.index(b"IDAT")
    for place in range(start + 4, len(png) - 16, max((len(png) - start) // 12, 1)):
        damaged = bytearray(png)
        damaged[place] ^= 16
        yield f"PNG with a flipped bit at {place}", bytes(damaged)
    yield "PNG that says 60,000 x 60,000", _png_of_size(60_000, 60_000)
    yield "PNG that says 2^31 - 1 squared", _png_of_size(2**31 - 1, 2**31 - 1)
    yield "PNG of 0 x 0", _png_of_size(0, 0)
    whole = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(whole, "PNG")  # (10 kB, and 240 MB as colours)
    yield "PNG of 9,000 x 9,000, whole", whole.getvalue()
    yield (
        "BMP that says 40,000 x 40,000",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, 40_000, 40_000, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield "EPS, which Pillow would hand to a program", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n"
    for name, mode in (("16 bits", np.uint16), ("32 bits", np.int32), ("floats", np.float32)):
        buffer = io.BytesIO()
        Image.fromarray(np.full((SIDE, SIDE), 1000, mode)).save(buffer, "TIFF")
        yield name, buffer.getvalue()
    for name, content in {
        "empty": b"",
        "text": b"no image",
        "SVG": b"<svg/>",
        "zip": b"PK\x03\x04" + bytes(50),
    }.items():
        yield name, content
    yield "a pickle with code", pickle.dumps(Hostile())


def _png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header asks for much, with few bytes behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _folders() -> Iterator[Case]:
    yield "an empty folder", lambda path: path.mkdir()
    yield "one class", lambda path: write_images(path, CLASSES[:1])
    yield "two classes of three", lambda path: write_images(path, CLASSES[:2])
    yield "four classes of three", lambda path: write_images(path, (*CLASSES, "dog"))
    yield "no images in the folders", lambda path: write_images(path, CLASSES, 0)
    yield "images without folders", _loose
    yield "a class without images", lambda path: write_images(path, CLASSES) and _emptied(path / CLASSES[2])
    yield "a class of texts", lambda path: write_images(path, CLASSES) and _emptied(path / CLASSES[0], "notes.txt")
    yield "a folder in place of an image", lambda path: write_images(path, CLASSES) and (path / "bee" / "9.png").mkdir()
    yield "a link to nothing", lambda path: write_images(path) and (path / "bee" / "9.png").symlink_to("nowhere")
    yield "a link to /dev/zero", lambda path: write_images(path) and (path / "bee" / "9.png").symlink_to("/dev/zero")
    yield "a pipe", lambda path: write_images(path) and os.mkfifo(path / "bee" / "9.png")
    yield (
        "a test part without a class",
        lambda path: write_images(path / "train") and write_images(path / "test", CLASSES[:2]),
    )
    yield (
        "a test part of another class",
        lambda path: write_images(path / "train") and write_images(path / "test", (*CLASSES, "x")),
    )


def _loose(path: Path) -> None:
    path.mkdir()
    (path / "0.png").write_bytes(picture())


def _emptied(folder: Path, instead: str = "") -> None:
    for file in folder.iterdir():
        file.unlink()
    if instead:
        (folder / instead).write_text("no image")


def _table(labels: Any = None, images: Any = None, image: str = "image", label: str = "label") -> pa.Table:
    labels = pa.array([0, 0, 1, 1, 2, 2]) if labels is None else labels
    pictures = [{"bytes": picture(seed=i), "path": None} for i in range(len(labels))] if images is None else images
    return pa.table({image: pa.array(pictures), label: labels})


def _parquet_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _parquets() -> Iterator[Case]:
    whole = _parquet_bytes(_table())
    for share in range(1, 8):
        yield f"Parquet cut to {share}/8", _file(whole[: len(whole) * share // 8])
    for place in (-1, -4, -5, -6, -8):
        damaged = bytearray(whole)
        damaged[place] ^= 64
        yield f"Parquet with a flipped bit at {place}", _file(bytes(damaged))
    integers = {"negative": -1, "of a fourth class": 3, "huge": 2**40, "the largest": 2**63 - 1, "the least": -(2**63)}
    for name, label in integers.items():
        yield f"Parquet, a label {name}", _file(_parquet_bytes(_table(pa.array([0, 0, 1, 1, 2, label]))))
    bad_labels = {
        "texts": pa.array(["a"] * 6),
        "floats": pa.array([0.0, 0, 1, 1, 2, 2]),
        "absent": pa.array([0, 0, 1, 1, 2, None]),
        "all of one class": pa.array([0] * 6),
        "of two classes": pa.array([0, 0, 0, 1, 1, 1]),
        "without a class": pa.array([0, 0, 0, 2, 2, 2]),
    }
    for name, labels in bad_labels.items():
        yield f"Parquet, labels {name}", _file(_parquet_bytes(_table(labels)))
    damaged_picture = [{"bytes": picture()[:60], "path": None}] * 6
    bad_images = {
        "absent": [None] * 6,
        "without bytes": [{"bytes": None, "path": "a.png"}] * 6,
        "texts": ["a.png"] * 6,
        "cut short": damaged_picture,
        "bombs": [{"bytes": _png_of_size(60_000, 60_000), "path": None}] * 6,
        "code": [{"bytes": pickle.dumps(Hostile()), "path": None}] * 6,
    }
    for name, images in bad_images.items():
        yield f"Parquet, images {name}", _file(_parquet_bytes(_table(images=images)))
    yield "Parquet without images", _file(_parquet_bytes(_table(image="pixels")))
    yield "Parquet without labels", _file(_parquet_bytes(_table(label="kind")))
    yield "Parquet without rows", _file(_parquet_bytes(_table().slice(0, 0)))
    series = "train-00000-of-00002.parquet"
    yield "a part of a series", lambda path: path.mkdir() or (path / series).write_bytes(whole)


def _file(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _npz(compressed: bool = False, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def _npzs() -> Iterator[Case]:
    images = np.random.default_rng(0).integers(256, size=(6, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.array([0, 0, 1, 1, 2, 2])
    whole = _npz(images=images, labels=labels)
    for share in range(1, 12):
        yield f"npz cut to {share}/12", _file(whole[: len(whole) * share // 12])
    for place in range(130, len(whole) - 300, len(whole) // 10):
        damaged = bytearray(whole)
        damaged[place] ^= 8
        yield f"npz with a flipped bit at {place}", _file(bytes(damaged))
    changed: dict[str, dict[str, Any]] = {
        "floats as images": {"images": images / 255},
        "wide integers as images": {"images": images.astype(np.int64)},
        "truth values as images": {"images": images > 9},
        "texts as images": {"images": np.array(["a"] * 6)},
        "objects as images": {"images": np.array([Hostile()] * 6, dtype=object)},
        "objects as labels": {"labels": np.array([HostileEval()] * 6, dtype=object)},
        "records as labels": {"labels": np.zeros(6, dtype=[("a", int)])},
        "floats as labels": {"labels": labels * 1.0},
        "NaN as labels": {"labels": np.full(6, np.nan)},
        "a negative label": {"labels": labels - 1},
        "a fourth class": {"labels": labels + (labels == 2)},
        "a huge label": {"labels": labels * 2**40},
        "unsigned labels beyond": {"labels": np.full(6, 2**64 - 1, dtype=np.uint64)},
        "one class": {"labels": labels * 0},
        "two classes": {"labels": labels // 2},
        "fewer labels": {"labels": labels[:5]},
        "no images": {"images": images[:0], "labels": labels[:0]},
        "no pixels": {"images": images[:, :0]},
        "two channels": {"images": images[..., :2]},
        "five channels": {"images": np.zeros((6, 5, SIDE, SIDE), np.uint8)},
        "one image": {"images": images[0], "labels": labels},
        "a fifth dimension": {"images": images[None]},
        "a number": {"images": np.uint8(3)},
        "labels in two columns": {"labels": np.stack([labels, labels], 1)},
    }
    for name, arrays in changed.items():
        yield f"npz with {name}", _file(_npz(**{"images": images, "labels": labels} | arrays))
    yield "npz of other names", _file(_npz(pictures=images, kinds=labels))
    yield "npz without labels", _file(_npz(images=images))
    yield "npz that is empty", _file(b"PK\x05\x06" + bytes(18))
    yield (
        "npz, a bomb of 100 MB",
        _file(_npz(True, images=np.zeros((100, 1024, 1024), np.uint8), labels=np.arange(100) % 3)),
    )
    for name, shape in {
        "more": "(60, 8, 8, 3)",
        "2^60": "(1152921504606846976, 8, 8, 3)",
        "less": "(3, 8, 8, 3)",
    }.items():
        yield f"npz whose header says {name}", _file(_npz_with_header(shape, images, labels))
    for name, header in {"code": "__import__('os').system('id')", "no end": "(" * 5000, "nothing": ""}.items():
        yield f"npz whose header is {name}", _file(_npz_with_text(header, labels))


def _npz_with_header(shape: str, images: np.ndarray, labels: np.ndarray) -> bytes:
    return _npz_with_text(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}", labels, images.tobytes())


def _npz_with_text(header: str, labels: np.ndarray, content: bytes = b"") -> bytes:
    inside = io.BytesIO()
    np.save(inside, labels)
    text = header.encode() + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content)
        archive.writestr("labels.npy", inside.getvalue())
    return buffer.getvalue()


def _others() -> Iterator[Case]:
    rng = np.random.default_rng(1)
    for name, content in {
        "empty": b"",
        "text": b"a,b\n",
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(99),
        "PNG": picture(),
    }.items():
        yield f"data file: {name}", _file(content)
    for number in range(8):
        yield f"data of random bytes {number}", _file(rng.bytes(int(rng.integers(8, 2000))))
    yield "no data", lambda path: None
    yield "data, a link to nothing", lambda path: path.symlink_to("nowhere")
    yield "data, a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")
    yield "data, a pipe", lambda path: os.mkfifo(path)
