"""Images in Parquet files, as on the Hugging Face hub: `{root}/{folder}/{split}-*.parquet`."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnc.datasets import folder_names
from rnc.datasets.decoding import MOST_ENCODED_BYTES, EncodedImage
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMNS = ("label", "fine_label")
_ROWS_AT_ONCE, _LABELS_AT_ONCE = 500, 65_536
_BYTES_AT_ONCE = 2**20
_MOST_CLASSES = 100_000
_MOST_AT_ONCE = 2**31
"""Limit in bytes for rows read at once, each counted as its whole row group, because rows can share one large image."""
_NUMBERED = re.compile(r"-(\d+)-of-(\d+)(-\w+)?\.parquet$")  # older files of the hub end with a hash


class ParquetFolder:
    """The images of some Parquet files: a struct column with `bytes`, an integer column of labels. Rows count from 0."""

    def __init__(self, spec: DatasetSpec, folder: Path, files: list[Path]) -> None:
        self.spec, self.folder, self.files = spec, folder, files

    def __str__(self) -> str:
        """Return their location."""
        return f"{len(self.files)} Parquet file(s) such as {self.files[0]}"

    def __len__(self) -> int:
        """Return N. Raises DatasetError if a file is damaged or N is 0."""
        count = 0
        for path in self.files:
            with _open_parquet(path) as file:
                count += file.metadata.num_rows
        if count < 1:
            raise DatasetError(f"{self.files[0]}: the file has no rows; copy or download it again")
        return count

    def __iter__(self) -> Iterator[EncodedImage]:
        """Yield the images in the order of files and rows. Raises DatasetError, naming file and row or column."""
        for path in self.files:
            with _open_parquet(path) as file:
                columns = self._columns(file, path)
                yield from _images(file.iter_batches(_rows_at_once(file), columns=columns), path, 0)

    def select(self, positions: np.ndarray) -> Iterator[EncodedImage]:
        """Yield the images at some increasing positions (n,), reading only their row groups. Raises DatasetError likewise."""
        begin = 0
        for path in self.files:
            with _open_parquet(path) as file:
                columns, row = self._columns(file, path), 0
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    in_group = positions[(positions >= begin) & (positions < begin + rows)] - begin
                    if len(in_group):
                        batches = file.iter_batches(_rows_at_once(file), row_groups=[group], columns=columns)
                        yield from _images(batches, path, row, in_group)
                    begin, row = begin + rows, row + rows

    def _columns(self, file: "pq.ParquetFile", path: Path) -> list[str]:
        schema = file.schema_arrow
        image_column, label_column = _image_column(schema, path), _label_column(schema, path)
        _check_class_order(self.spec, schema, label_column, path)
        return [f"{image_column}.bytes", label_column]


def _images(
    batches: Iterable["pa.RecordBatch"], path: Path, first: int, rows: np.ndarray | None = None
) -> Iterator[EncodedImage]:
    """Yield the images and labels of all rows, or of some increasing `rows` (n,), without what follows the last of them.

    Rows count from 0, and in errors from `first`.
    """
    row = 0
    for batch in batches:
        images, labels = (batch.column(index) for index in (0, 1))
        end = row + batch.num_rows
        for each in range(row, end) if rows is None else rows[(rows >= row) & (rows < end)].tolist():
            yield _encoded(images[each - row].as_py(), labels[each - row].as_py(), f"{path}, row {first + each}")
        row = end
        if rows is not None and rows[-1] < end:
            return


def find(spec: DatasetSpec, split: Split, root: Path) -> ParquetFolder | None:
    """Return the Parquet files of a split, also from the subfolders that the hub uses; None if there are none.

    Raises DatasetError if a numbered series is incomplete, or mixed with other files.
    """
    for folder in folder_names.candidate_folders(spec, root):
        for below in ("", "data", "plain_text", spec.name, "160px"):
            files = split_files(folder / below, split)
            if files:
                return ParquetFolder(spec, folder, files)
    return None


def split_files(folder: Path, split: Split) -> list[Path]:
    """Return the Parquet files of a split in a folder; empty if there are none. Raises DatasetError like `find`."""
    available = sorted(folder.glob("*-*.parquet"))
    named = [name for path in available if folder_names.split_of(name := path.name.partition("-")[0]) is split]
    for name in sorted(set(named), key=folder_names.priority):
        files = [path for path in available if path.name.startswith(f"{name}-")]
        check_series(files)
        return files
    return []


def class_names(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the class names in the header of some files, as on the hub; else the numbers up to the largest label.

    Raises DatasetError for a damaged file and for labels that are not class numbers.
    """
    largest = 0
    for path in files:
        with _open_parquet(path) as file:
            names = _names_in_header(file.schema_arrow, _label_column(file.schema_arrow, path))
            if names is not None:
                return tuple(names)
            largest = max(largest, _largest_label(file, path))
    return tuple(str(label) for label in range(largest + 1))


def _largest_label(file: "pq.ParquetFile", path: Path) -> int:
    import pyarrow.compute as pc

    column = _label_column(file.schema_arrow, path)
    batches = file.iter_batches(_LABELS_AT_ONCE, columns=[column])
    largest = max((pc.max(batch.column(0)).as_py() or 0 for batch in batches), default=0)
    if not 0 <= largest < _MOST_CLASSES:
        raise DatasetError(f"{path}: the largest label is {largest}; number the classes from 0")
    return largest


def check_series(files: list[Path]) -> None:
    """Raise DatasetError if the names of a split's files show that some are missing, or that there are several series.

    `train-00000-of-00003.parquet` means that there are three; `0000.parquet`, `0001.parquet` count from 0.
    """
    counted = [int(path.stem) for path in files if path.stem.isdecimal()]
    gaps = sorted(set(range(max(counted, default=0))) - set(counted)) if len(counted) == len(files) else []
    if gaps:
        raise DatasetError(
            f"{files[0].parent}: of the files up to {files[-1].name}, those numbered {', '.join(map(str, gaps[:20]))} are "
            "missing; copy or download them"
        )
    matches = [_NUMBERED.search(path.name) for path in files]
    parts = [(int(match[1]), int(match[2])) for match in matches if match]
    if not parts:
        return
    numbers, total = [number for number, _ in parts], parts[0][1]
    missing = sorted(set(range(total)) - set(numbers))
    if len({total for _, total in parts}) > 1 or len(set(numbers)) < len(files) or max(numbers) >= total:
        raise DatasetError(
            f"{files[0].parent}: files of several series are mixed: {', '.join(path.name for path in files)}; keep one of them"
        )
    if missing:
        raise DatasetError(
            f"{files[0].parent}: of {total} files such as {files[0].name}, those numbered "
            f"{', '.join(map(str, missing))} are missing; copy or download them"
        )


@contextmanager
def _open_parquet(path: Path) -> "Iterator[pq.ParquetFile]":
    """Open a Parquet file; errors of pyarrow for a damaged file become a DatasetError that names the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without pre-buffering, a row group is read page by page, and not what follows the rows that are wanted.
        with pq.ParquetFile(
            path, page_checksum_verification=True, pre_buffer=False, buffer_size=_BYTES_AT_ONCE
        ) as file:
            yield file
    except DatasetError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:  # a ValueError if a name is not valid UTF-8
        raise DatasetError(f"{path}: not a readable Parquet file ({error}); copy or download it again") from error


def _rows_at_once(file: "pq.ParquetFile") -> int:
    groups = (file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    return max(1, min(_ROWS_AT_ONCE, _MOST_AT_ONCE // max(max(groups, default=1), 1)))


def _image_column(schema: "pa.Schema", path: Path) -> str:
    import pyarrow as pa

    name = _column_named(_IMAGE_COLUMNS, schema, path, "image")
    kind = schema.field(name).type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise DatasetError(
            f"{path}: column {name} has the type {kind}, not struct<bytes, path>; save it as the Hugging Face hub does"
        )
    return name


def _label_column(schema: "pa.Schema", path: Path) -> str:
    import pyarrow as pa

    name = _column_named(_LABEL_COLUMNS, schema, path, "label")
    kind = schema.field(name).type
    if not pa.types.is_integer(kind):
        raise DatasetError(f"{path}: column {name} has the type {kind}, but must be integer; number the classes from 0")
    return name


def _column_named(accepted: tuple[str, ...], schema: "pa.Schema", path: Path, what: str) -> str:
    for name in accepted:
        if name in schema.names:
            return name
    raise DatasetError(
        f"{path}: there is no {what} column; it must be called {' or '.join(accepted)}; "
        f"the columns are: {', '.join(schema.names)}"
    )


def _check_class_order(spec: DatasetSpec, schema: "pa.Schema", label_column: str, path: Path) -> None:
    """Compare the class names in a file's header, as on the hub, with the spec; a file without names is accepted unchecked."""
    header_names = _names_in_header(schema, label_column)
    if header_names is not None and [folder_names.label_of(spec, name) for name in header_names] != list(
        range(spec.num_classes)
    ):
        raise DatasetError(
            f"{path}: its classes are {', '.join(header_names[:5])}, …, but those of {spec.name} are "
            f"{', '.join(spec.classes[:5])}, …, in this order; check that it is this data set"
        )


def _names_in_header(schema: "pa.Schema", label_column: str) -> list[str] | None:
    try:
        header = json.loads((schema.metadata or {})[b"huggingface"])
        names = header["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _encoded(image: dict | None, label: int | None, location: str) -> EncodedImage:
    content = image["bytes"] if image else None
    if content is not None and len(content) > MOST_ENCODED_BYTES:
        raise DatasetError(
            f"{location}: the image is larger than the limit of {MOST_ENCODED_BYTES / 2**20:.0f} MB; make it smaller"
        )
    if content is None:
        raise DatasetError(
            f"{location}: the row has no image bytes; save the images inside the Parquet file, not next to it"
        )
    if label is None:
        raise DatasetError(f"{location}: the row has no label; add one, or remove the row")
    return EncodedImage(content, label, location)
