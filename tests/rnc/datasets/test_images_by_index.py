"""Picked images are those that `load` has at the same indices, from every source, without torch and without a download."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rnc import datasets
from rnc.datasets import DatasetError, allowed_folders, custom
from rnc.vocabulary import Split
from tests.examples import examples
from tests.rnc.datasets import torchvision_files as files
from tests.synthetic_images import write_dataset


def same_as_loaded(name: str, split: Split, root: Path, indices: list[int]) -> None:
    """Pixels, labels and N agree with the whole set."""
    loaded = datasets.load(name, split, root)
    picked = datasets.load_subset(name, split, np.array(indices, dtype=int), root)
    assert picked.count == len(loaded) and picked.images.dtype == np.uint8
    np.testing.assert_array_equal(picked.images, loaded.images.numpy()[indices])
    np.testing.assert_array_equal(picked.labels, loaded.labels.numpy()[indices])
    np.testing.assert_array_equal(picked.pixels(), loaded.pixels().numpy()[indices])


@examples(20)
@given(st.lists(st.integers(0, 339), max_size=8))
def test_digits(indices: list[int]) -> None:
    same_as_loaded("digits", Split.TEST, Path("none"), indices)


@pytest.mark.parametrize("indices", [[], [7, 0, 7, 39], list(range(40))])
def test_parquet_in_several_row_groups_and_files(tmp_path: Path, indices: list[int]) -> None:
    import pyarrow.parquet as pq

    write_dataset(tmp_path, "cifar10", per_class=4)
    path = tmp_path / "cifar10" / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    path.unlink()
    for part, rows in enumerate((table.slice(0, 25), table.slice(25))):
        pq.write_table(rows, path.with_name(f"train-0000{part}-of-00002.parquet"), row_group_size=10)
    same_as_loaded("cifar10", Split.TRAIN, tmp_path, indices)


def test_an_image_folder_reads_no_other_image(tmp_path: Path) -> None:
    for digit in range(10):
        (tmp_path / "mnist/test" / str(digit)).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (28, 28), 10 * digit + i).save(tmp_path / f"mnist/test/{digit}/{i}.png")
    same_as_loaded("mnist", Split.TEST, tmp_path, [19, 3])
    (tmp_path / "mnist/test/5/0.png").write_text("damaged")
    assert datasets.load_subset("mnist", Split.TEST, np.array([4]), tmp_path).images[0, 0, 0, 0] == 20
    with pytest.raises(DatasetError, match=r"5/0\.png"):
        datasets.load_subset("mnist", Split.TEST, np.array([10]), tmp_path)


@pytest.mark.parametrize("split", Split)
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_torchvisions_cifar(name: str, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_cifar(tmp_path, name, monkeypatch)
    same_as_loaded(name, split, tmp_path, [11, 2, 2])


@pytest.mark.parametrize("split", Split)
def test_torchvisions_mnist(split: Split, tmp_path: Path) -> None:
    files.write_mnist(tmp_path / "FashionMNIST/raw", each=3)
    same_as_loaded("fashion_mnist", split, tmp_path, [29, 0])


def test_a_batch_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(pickle.dumps({"data": Bomb(), "labels": []}))
    with pytest.raises(DatasetError, match="test_batch: the file cannot be read as a batch of CIFAR"):
        datasets.load_subset("cifar10", Split.TEST, np.array([0]), tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03", b"\0\0\x08\x03" + bytes(12) + b"more"])
def test_half_a_file_of_mnist_is_named(content: bytes, tmp_path: Path) -> None:
    files.write_mnist(tmp_path / "MNIST/raw", each=1)
    (tmp_path / "MNIST/raw/t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DatasetError, match="t10k-images-idx3-ubyte"):
        datasets.load_subset("mnist", Split.TEST, np.array([0]), tmp_path)


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_a_reference_of_custom_images_loads_them(kind: str, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    images, labels = numbers.integers(256, size=(6, 8, 8, 3), dtype=np.uint8), np.array([0, 0, 0, 1, 1, 1])
    data = tmp_path / "photos"
    if kind == "npz":
        data = tmp_path / "photos.npz"
        np.savez(data, images=images, labels=labels)
    else:
        for i, label in enumerate(labels):
            (data / f"class {label}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[i]).save(data / f"class {label}" / f"{i}.png")
    name = custom.find(data).reference
    with pytest.raises(DatasetError, match="the store names"):
        datasets.load_subset(name, Split.TRAIN, np.array([5, 1]))
    allowed_folders.record_as_allowed(custom.find(data))
    same_as_loaded(name, Split.TRAIN, tmp_path, [5, 1])
    with pytest.raises(DatasetError, match="has no test images"):
        datasets.load_subset(name, Split.TEST, np.array([0]))


def test_an_index_out_of_range_is_an_error(tmp_path: Path) -> None:
    write_dataset(tmp_path, "mnist", per_class=1)
    for name, last in (("mnist", 9), ("digits", 1399)):
        datasets.load_subset(name, Split.TRAIN, np.array([last]), tmp_path)
        with pytest.raises(DatasetError, match=f"but image number {last + 1} was requested"):
            datasets.load_subset(name, Split.TRAIN, np.array([last + 1]), tmp_path)
    with pytest.raises(DatasetError, match="RNC_DATA"):
        datasets.load_subset("cifar10", Split.TRAIN, np.array([0]), tmp_path)


def test_picking_loads_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, numpy; from rnc import datasets; datasets.load_subset('digits', 'train', numpy.arange(3)); "
        "print(sorted({'torch', 'torchvision', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
