"""A folder a class: labels come from the folders' names, in whatever spelling; strange, empty and twofold ones are named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnc import datasets
from rnc.datasets import DatasetError, image_folder
from rnc.datasets.decoding import decode
from rnc.vocabulary import Split
from tests.rnc.datasets.torchvision_files import WNIDS

CIFAR10, IMAGENETTE = datasets.spec("cifar10"), datasets.spec("imagenette")


def write(folder: Path, names: list[str] | tuple[str, ...], suffix: str = ".png") -> dict[str, np.ndarray]:
    """Two random images a class, `1` and `0`, written in this order; they are returned by class folder and name."""
    written, numbers = {}, np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in (1, 0):
            image = numbers.integers(256, size=(32, 32, 3), dtype=np.uint8)
            options = {"lossless": True} if suffix == ".webp" else {}
            Image.fromarray(image).save(folder / name / f"{i}{suffix}", **options)
            written[f"{name}/{i}"] = image.transpose(2, 0, 1)
    return written


def find(root: Path, split: Split = Split.TRAIN, spec: datasets.DatasetSpec = CIFAR10) -> image_folder.ImageFolder:
    found = image_folder.find(spec, split, root)
    assert found is not None
    return found


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".webp"])
def test_images_come_in_the_order_of_folder_and_file_with_their_folders_label(tmp_path: Path, suffix: str) -> None:
    written = write(tmp_path / "cifar10/train", CIFAR10.classes[::-1], suffix)
    images, labels = decode(CIFAR10, Split.TRAIN, find(tmp_path))
    assert labels.tolist() == [c for c in range(10) for _ in range(2)]  # these names are in the alphabet's order
    for image, place in zip(images, sorted(written), strict=True):
        assert np.array_equal(image, written[place])


def test_an_image_knows_its_file(tmp_path: Path) -> None:
    write(tmp_path / "cifar10/train", CIFAR10.classes)
    source = find(tmp_path)
    assert str(source) == f"image folder {tmp_path / 'cifar10/train'}" and len(source) == 20
    assert [image.location for image in source] == [str(path) for path in source.files]
    assert all(Path(image.location).read_bytes() == image.content for image in source)


@pytest.mark.parametrize("folder", ["imagenette", "imagenette160", "imagenette2-160"])
@pytest.mark.parametrize(
    "names", [WNIDS, [c.upper().replace(" ", "_") for c in IMAGENETTE.classes]], ids=["wnid", "name"]
)
def test_imagenettes_folders_go_by_wordnet_id_or_name(tmp_path: Path, folder: str, names: list[str]) -> None:
    write(tmp_path / folder / "val", names)
    found = {Path(image.location).parent.name: image.label for image in find(tmp_path, Split.TEST, IMAGENETTE)}
    assert found == {name: label for label, name in enumerate(names)}
    assert image_folder.find(IMAGENETTE, Split.TRAIN, tmp_path) is None


def test_jpegs_are_found(tmp_path: Path) -> None:
    for suffix in (".jpg", ".JPEG"):
        write(tmp_path / suffix / "imagenette/train", WNIDS, suffix)
        assert len(find(tmp_path / suffix, spec=IMAGENETTE)) == 20


@pytest.mark.parametrize("split", ["test", "validation", "val"])
def test_a_test_split_has_three_names(tmp_path: Path, split: str) -> None:
    write(tmp_path / "cifar10" / split, CIFAR10.classes)
    assert find(tmp_path, Split.TEST).folder == tmp_path / "cifar10" / split


def test_what_is_hidden_or_no_image_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10/train"
    write(folder, CIFAR10.classes)
    (folder / ".cache").mkdir()
    for junk in ("README.md", "cat/.hidden.png", "cat/list.txt", "cat/image.pngx"):
        (folder / junk).touch()
    assert len(find(tmp_path)) == 20


def test_nothing_is_found_in_no_folder_and_in_an_empty_one(tmp_path: Path) -> None:
    assert image_folder.find(CIFAR10, Split.TRAIN, tmp_path / "nowhere") is None
    (tmp_path / "cifar10/train").mkdir(parents=True)
    assert image_folder.find(CIFAR10, Split.TRAIN, tmp_path) is None


def test_a_folder_not_named_after_a_class_is_an_error_with_the_classes(tmp_path: Path) -> None:
    write(tmp_path / "cifar10/train", [*CIFAR10.classes, "plane"])
    with pytest.raises(
        DatasetError, match=r"train/plane is not named after a class of cifar10; rename or remove it.*airplane"
    ):
        find(tmp_path)


@pytest.mark.parametrize("gone", ["folder", "files"])
def test_a_class_without_images_is_an_error(tmp_path: Path, gone: str) -> None:
    write(tmp_path / "cifar10/train", CIFAR10.classes)
    shutil.rmtree(tmp_path / "cifar10/train/frog")
    if gone == "files":
        (tmp_path / "cifar10/train/frog").mkdir()
    with pytest.raises(DatasetError, match=r"cifar10/train: there are no \.png, \S.* files of frog; there must be"):
        find(tmp_path)


def test_two_folders_of_one_class_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "cifar10/train", [*CIFAR10.classes, "Cat"])
    with pytest.raises(DatasetError, match="two folders are named after the class cat; keep one"):
        find(tmp_path)


def test_a_damaged_and_an_unreadable_image_are_named(tmp_path: Path) -> None:
    write(tmp_path / "cifar10/train", CIFAR10.classes)
    path = tmp_path / "cifar10/train/cat/0.png"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"cat/0.png: not a readable image"):
        decode(CIFAR10, Split.TRAIN, find(tmp_path))
    path.unlink()
    path.mkdir()
    with pytest.raises(DatasetError, match=r"cat/0.png: cannot be read, because it is not a regular file; remove it"):
        decode(CIFAR10, Split.TRAIN, find(tmp_path))
