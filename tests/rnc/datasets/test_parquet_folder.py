"""Parquet files as the hub keeps them are read whole and in order; what is damaged, missing or else is named."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnc import datasets
from rnc.datasets import DatasetError, parquet_folder
from rnc.datasets.decoding import decode
from rnc.vocabulary import Split
from tests.synthetic_images import encoded, write_parquet

MNIST, CIFAR100 = datasets.spec("mnist"), datasets.spec("cifar100")
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TRAIN = "train-00000-of-00001.parquet"


def grey(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 1, 28, 28), dtype=np.uint8)


def pictures(images: np.ndarray) -> pa.Array:
    return pa.array([{"bytes": encoded(image), "path": "a.png"} for image in images], STRUCT)


def table(images: np.ndarray | None = None, labels: list | None = None, **columns: pa.Array) -> pa.Table:
    """Ten digits, one of each, unless something else is given."""
    images, labels = grey(10) if images is None else images, list(range(10)) if labels is None else labels
    return pa.table({"image": pictures(images), "label": pa.array(labels, pa.int64())} | columns)


def write(path: Path, content: pa.Table, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path, **options)
    return path


def with_header(content: pa.Table, label: str, names: list[str]) -> pa.Table:
    header = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
    return content.replace_schema_metadata({b"huggingface": json.dumps(header).encode()})


def read(root: Path, name: str = "mnist", split: Split = Split.TRAIN) -> tuple[np.ndarray, np.ndarray]:
    spec = datasets.spec(name)
    source = parquet_folder.find(spec, split, root)
    assert source is not None
    return decode(spec, split, source)


def test_files_and_rows_come_in_order(tmp_path: Path) -> None:
    """More rows than are read at once, in three files written last to first."""
    images = np.random.default_rng(0).integers(256, size=(1210, 1, 28, 28), dtype=np.uint8)
    labels = np.random.default_rng(1).integers(10, size=1210)
    for part, rows in ((2, slice(1205, 1210)), (1, slice(605, 1205)), (0, slice(0, 605))):
        content = table(images[rows], labels[rows].tolist())
        write(tmp_path / "mnist" / f"train-0000{part}-of-00003.parquet", content, row_group_size=200)
    found = read(tmp_path)
    assert np.array_equal(found[0], images) and np.array_equal(found[1], labels)


def test_what_follows_the_last_of_the_selected_rows_is_not_read(tmp_path: Path) -> None:
    """An image is looked at in a data set of gigabytes; damage further on in the same row group is not even noticed."""
    images = grey(3000)
    options = {"write_page_checksum": True, "use_dictionary": False, "compression": "none", "data_page_size": 2**14}
    path = write(tmp_path / "mnist" / TRAIN, table(images, [0] * 3000), **options)
    content = bytearray(path.read_bytes())
    content[content.index(encoded(images[2900])) + 100] ^= 1
    path.write_bytes(content)
    source = parquet_folder.find(MNIST, Split.TRAIN, tmp_path)
    assert source is not None
    found = [image.content for image in source.select(np.array([3, 499, 502]))]
    assert found == [encoded(images[row]) for row in (3, 499, 502)]
    with pytest.raises(DatasetError, match=f"{TRAIN}: not a readable Parquet file"):
        list(source.select(np.array([3, 2999])))


def test_the_fine_labels_of_cifar100_are_read_under_the_hubs_header(tmp_path: Path) -> None:
    """The hub spells crab `cra`."""
    images = np.random.default_rng(0).integers(256, size=(100, 3, 32, 32), dtype=np.uint8)
    fine = np.random.default_rng(1).permutation(100)
    columns = {"img": pictures(images), "fine_label": pa.array(fine), "coarse_label": pa.array(fine % 20)}
    names = [{"crab": "cra"}.get(name, name) for name in CIFAR100.classes]
    write(tmp_path / "cifar100/cifar100" / TRAIN, with_header(pa.table(columns), "fine_label", names))
    found = read(tmp_path, "cifar100")
    assert np.array_equal(found[0], images) and np.array_equal(found[1], fine)


@pytest.mark.parametrize(
    ("path", "split"),
    [
        (f"mnist/{TRAIN}", "train"),
        (f"mnist/data/{TRAIN}", "train"),
        (f"mnist/plain_text/{TRAIN}", "train"),
        (f"mnist/mnist/{TRAIN}", "train"),
        ("mnist/train-00000-of-00001-0123abcd.parquet", "train"),
        ("mnist/train-all.parquet", "train"),
        ("mnist/test-00000-of-00001.parquet", "test"),
        ("mnist/validation-00000-of-00001.parquet", "test"),
    ],
)
def test_files_are_found_where_the_hub_keeps_them(tmp_path: Path, path: str, split: str) -> None:
    write(tmp_path / path, table())
    other = Split.TEST if split == "train" else Split.TRAIN
    assert parquet_folder.find(MNIST, other, tmp_path) is None
    assert np.array_equal(read(tmp_path, split=Split(split))[0], grey(10))


def test_the_test_split_is_preferred_to_validation(tmp_path: Path) -> None:
    for seed, name in enumerate(("validation", "test")):
        write(tmp_path / "mnist" / f"{name}-00000-of-00001.parquet", table(grey(10, seed)))
    assert np.array_equal(read(tmp_path, split=Split.TEST)[0], grey(10, 1))


def test_it_says_where_it_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "mnist" / TRAIN, table())
    assert str(path) in str(parquet_folder.find(MNIST, Split.TRAIN, tmp_path))


@pytest.mark.parametrize("suffix", ["", "-0123abcd"])
def test_a_missing_part_of_a_series_is_an_error(tmp_path: Path, suffix: str) -> None:
    for part in (0, 2):
        write(tmp_path / "mnist" / f"train-0000{part}-of-00004{suffix}.parquet", table())
    with pytest.raises(
        DatasetError, match=r"of 4 files such as train-00000-of-00004\S*, those numbered 1, 3 are missing"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"),
        ("train-00000-of-00001", "train-00000-of-00001-0123abcd"),
        ("train-00000-of-00001", "train-all"),
        ("train-00000-of-00001", "train-00001-of-00001"),
    ],
)
def test_two_series_side_by_side_are_an_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Read together they would be a set with each image twice."""
    for name in names:
        write(tmp_path / "mnist" / f"{name}.parquet", table())
    with pytest.raises(DatasetError, match=rf"several series are mixed: .*{names[-1]}.*keep one"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("names", "part"),
    [(list("1023456789"), "1, 0, 2"), (list("012345678"), "0, 1, 2"), (["cat", "dog"], "cat, dog")],
)
def test_other_classes_or_another_order_are_an_error(tmp_path: Path, names: list[str], part: str) -> None:
    path = write(tmp_path / "mnist" / TRAIN, with_header(table(), "label", names))
    with pytest.raises(DatasetError, match=rf"{re.escape(str(path))}: its classes are {part}.*in this order"):
        read(tmp_path)


@pytest.mark.parametrize("header", [b"not json", b"[]", b'{"info": {}}', b'{"info": {"features": {"label": {}}}}'])
def test_a_header_without_class_names_is_accepted(tmp_path: Path, header: bytes) -> None:
    write(tmp_path / "mnist" / TRAIN, table().replace_schema_metadata({b"huggingface": header}))
    assert read(tmp_path)[1].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("label", "message"),
    [(10, "label 10 is not one of the 10 classes of mnist"), (-1, "label -1"), (None, "the row has no label")],
)
def test_a_label_outside_the_classes_is_named_by_file_and_row(tmp_path: Path, label: int | None, message: str) -> None:
    write(tmp_path / "mnist/train-00000-of-00002.parquet", table())
    labels = [*range(10)] * 60
    labels[555] = label
    path = write(tmp_path / "mnist/train-00001-of-00002.parquet", table(np.repeat(grey(10), 60, axis=0), labels))
    with pytest.raises(DatasetError, match=rf"{re.escape(str(path))}, row 555: {message}"):
        read(tmp_path)


@pytest.mark.parametrize("row", [None, {"bytes": None, "path": "beside.png"}])
def test_a_missing_image_is_named_by_file_and_row(tmp_path: Path, row: dict | None) -> None:
    images = [*pictures(grey(9)).to_pylist(), row]
    write(tmp_path / "mnist" / TRAIN, table(image=pa.array(images, STRUCT)))
    with pytest.raises(
        DatasetError, match=rf"{TRAIN}, row 9: the row has no image bytes; save the images inside the Parquet file"
    ):
        read(tmp_path)


def test_a_damaged_image_is_named_by_file_and_row(tmp_path: Path) -> None:
    images = pictures(grey(10)).to_pylist()
    images[3]["bytes"] = images[3]["bytes"][:-40]
    write(tmp_path / "mnist" / TRAIN, table(image=pa.array(images, STRUCT)))
    with pytest.raises(DatasetError, match=rf"{TRAIN}, row 3: not a readable image"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            table().drop_columns("image"),
            r"there is no image column; it must be called img or image; the columns are: label",
        ),
        (table().drop_columns("label"), r"there is no label column; it must be called label or fine_label"),
        (
            table(image=pa.array([b"png"] * 10)),
            r"column image has the type binary, not struct<bytes, path>; save it as",
        ),
        (
            table(image=pa.array([{"path": "a"}] * 10)),
            r"column image has the type struct<path: string>, not struct<bytes, path>",
        ),
        (
            table(label=pa.array([0.0] * 10)),
            r"column label has the type double, but must be integer; number the classes from 0",
        ),
        (table().slice(0, 0), r"the file has no rows"),
    ],
)
def test_other_columns_are_named(tmp_path: Path, content: pa.Table, message: str) -> None:
    path = write(tmp_path / "mnist" / TRAIN, content)
    with pytest.raises(DatasetError, match=rf"{re.escape(str(path))}: {message}"):
        read(tmp_path)


def test_a_truncated_file_and_a_folder_are_no_parquet_files(tmp_path: Path) -> None:
    path = write(tmp_path / "mnist" / TRAIN, table())
    content = path.read_bytes()
    for length in (0, 3, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DatasetError, match=rf"{TRAIN}: not a readable Parquet file .*copy or download it again"):
            read(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        read(tmp_path)


def test_a_flipped_label_is_found_by_the_page_checksum(tmp_path: Path) -> None:
    """Where a writer added them; without, one class in the place of another could not be told."""
    labels = [*range(10)] * 2
    options = {"write_page_checksum": True, "use_dictionary": False, "compression": "none"}
    path = write(tmp_path / "mnist" / TRAIN, table(np.repeat(grey(10), 2, axis=0), labels), **options)
    content = bytearray(path.read_bytes())
    content[content.index(np.array(labels, "<i8").tobytes()) + 2 * 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{TRAIN}: not a readable Parquet file .*checksum"):
        read(tmp_path)


@pytest.mark.parametrize("name", [b"image", b"label", b"bytes"])
def test_a_column_whose_name_is_no_utf_8_is_a_damaged_file(tmp_path: Path, name: bytes) -> None:
    path = write(tmp_path / "mnist" / TRAIN, table(), store_schema=False)
    path.write_bytes(path.read_bytes().replace(name, bytes([name[0] | 128]) + name[1:]))
    with pytest.raises(DatasetError, match=rf"{TRAIN}: not a readable Parquet file"):
        read(tmp_path)


def test_no_flipped_bit_changes_an_image_or_raises_anything_else(tmp_path: Path) -> None:
    """With the page checksums that a writer may add."""
    path = write(tmp_path / "mnist" / TRAIN, table(), write_page_checksum=True)
    content, outcomes = path.read_bytes(), set()
    for place in [*range(4, len(content) - 1500, 307), *range(len(content) - 1500, len(content), 11)]:
        for bit in (1, 128):
            damaged = bytearray(content)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            try:
                images, labels = read(tmp_path)
            except DatasetError as error:
                outcomes.add("refused" if TRAIN in str(error) else str(error))
            else:
                outcomes.add("harmless")
                assert np.array_equal(images, grey(10)) and labels.tolist() == list(range(10)), f"byte {place}"
    assert outcomes == {"refused", "harmless"}


def test_the_tests_own_writer_writes_the_hubs_form(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, "mnist", Split.TRAIN, grey(10), np.arange(10))
    schema = pq.read_schema(path)
    assert path.name == TRAIN and schema.field("image").type == STRUCT and schema.field("label").type == pa.int64()
    header = json.loads(schema.metadata[b"huggingface"])
    assert header["info"]["features"]["label"] == {"names": list("0123456789"), "_type": "ClassLabel"}
    assert np.array_equal(read(tmp_path)[0], grey(10))
