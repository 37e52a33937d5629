"""Each data set's images come from the first source that has them, as bytes, and agree with its spec."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from rnc import datasets
from rnc.vocabulary import Split
from tests.rnc.datasets.torchvision_files import write_mnist
from tests.synthetic_images import write_dataset

FROM_FILES = [name for name in datasets.names() if name != "digits"]
PAPER = {  # section 2 of the paper; channels, side, classes, mean, std
    "cifar10": (3, 32, 10, (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
    "cifar100": (3, 32, 100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "imagenette": (3, 160, 10, (0.5,) * 3, (0.5,) * 3),
    "mnist": (1, 28, 10, (0.1307,), (0.3081,)),
}


@pytest.mark.parametrize("name", PAPER)
def test_a_spec_is_the_papers(name: str) -> None:
    spec, (channels, side, classes, mean, std) = datasets.spec(name), PAPER[name]
    assert spec.image_shape == (channels, side, side) and spec.num_classes == classes
    assert spec.mean == mean and spec.std == std


@pytest.mark.parametrize("name", datasets.names())
def test_a_spec_is_consistent(name: str) -> None:
    spec = datasets.spec(name)
    assert spec.name == name and len(set(spec.classes)) == spec.num_classes
    assert len(spec.mean) == len(spec.std) == spec.image_shape[0]
    assert all(0 < value < 1 for value in spec.mean + spec.std)
    assert spec.any_size == (name == "imagenette")


def test_classes_are_in_the_alphabets_order_where_their_authors_have_it_so() -> None:
    for name in ("cifar10", "cifar100"):
        assert list(datasets.spec(name).classes) == sorted(datasets.spec(name).classes)
    assert len(datasets.spec("cifar100").classes) == 100


@pytest.mark.parametrize("name", FROM_FILES)
def test_images_agree_with_their_spec(tmp_path: Path, name: str) -> None:
    write_dataset(tmp_path, name, per_class=2)
    spec = datasets.spec(name)
    splits = [datasets.load(name, split, tmp_path) for split in Split]
    for found in splits:
        assert found.images.shape == (2 * spec.num_classes, *spec.image_shape) and found.images.dtype == torch.uint8
        assert torch.bincount(found.labels).tolist() == [2] * spec.num_classes and found.labels.dtype == torch.int64
        assert found.levels == 255 and int(found.images.min()) == 0 and int(found.images.max()) == 255
    assert not torch.equal(splits[0].images, splits[1].images)


def test_parquet_is_preferred_to_a_folder_and_a_folder_to_torchvisions_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rnc.datasets")
    write_dataset(tmp_path, "mnist", per_class=1)
    for digit in range(10):
        (tmp_path / "mnist/train" / str(digit)).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (28, 28), 7).save(tmp_path / f"mnist/train/{digit}/{i}.png")
    write_mnist(tmp_path / "MNIST/raw", each=3)
    for size, said in ((10, "Parquet file"), (20, "image folder"), (30, "torchvision's files")):
        caplog.clear()
        assert len(datasets.load("mnist", Split.TRAIN, tmp_path)) == size
        assert said in caplog.text and str(tmp_path) in caplog.text
        for path in (tmp_path / "mnist").glob("*.parquet"):
            path.unlink()
        if size == 20:
            shutil.rmtree(tmp_path / "mnist")


def test_the_environment_names_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, "mnist", per_class=1)
    monkeypatch.setenv("RNC_DATA", str(tmp_path))
    assert len(datasets.load("mnist", Split.TRAIN)) == 10


def test_a_split_may_be_written_out_and_another_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path, "mnist", per_class=1)
    train = datasets.load("mnist", "train", tmp_path)  # type: ignore[arg-type]
    assert torch.equal(train.images, datasets.load("mnist", Split.TRAIN, tmp_path).images)
    with pytest.raises(ValueError, match="validation"):
        datasets.load("mnist", "validation", tmp_path)  # type: ignore[arg-type]


def test_an_error_is_a_value_error_so_that_the_command_line_shows_it() -> None:
    assert issubclass(datasets.DatasetError, ValueError)
