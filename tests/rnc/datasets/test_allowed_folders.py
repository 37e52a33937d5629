"""A store that names images is believed only where somebody of this account has measured a network on them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnc import datasets
from rnc.datasets import allowed_folders, custom
from rnc.datasets.allowed_folders import FOLDERS_VARIABLE
from rnc.datasets.specs import DatasetError
from rnc.vocabulary import Split

FIRST = np.array([0])


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def photos(tmp_path: Path) -> custom.CustomImages:
    """A folder of six images, which nobody has measured yet."""
    for number in range(6):
        folder = tmp_path / "home" / "photos" / f"{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number}.png")
    return custom.find(tmp_path / "home" / "photos")


def is_read(images: custom.CustomImages) -> bool:
    """Return whether images are read, all of them or some; where they are not, assert that both ways of reading say why."""
    try:
        allowed_folders.refuse_unless_allowed(images)
    except DatasetError:
        for read in (
            lambda name: datasets.load(name, Split.TRAIN),
            lambda name: datasets.load_subset(name, Split.TRAIN, FIRST),
        ):
            with pytest.raises(DatasetError, match=f"the store names .*{FOLDERS_VARIABLE}"):
                read(images.reference)
        return False
    assert len(datasets.load_subset(images.reference, Split.TRAIN, FIRST).images) == 1
    return len(datasets.load(images.reference, Split.TRAIN)) == 6


def test_images_are_read_once_their_folder_was_measured(photos: custom.CustomImages) -> None:
    assert not is_read(photos)
    allowed_folders.record_as_allowed(photos)
    allowed_folders.record_as_allowed(photos)
    assert is_read(photos) and len(allowed_folders.record_path().read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("folder", "expected"), [("home", True), ("home/photos/0", False), ("home/pho", False), ("", True)]
)
def test_folders_may_be_named(
    folder: str, expected: bool, photos: custom.CustomImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDERS_VARIABLE, f"/nowhere:{tmp_path / folder}:")
    assert is_read(photos) is expected


def test_a_link_in_an_allowed_folder_does_not_allow_its_target(photos: custom.CustomImages, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "link").symlink_to(photos.data)
    allowed_folders.record_as_allowed(custom.CustomImages(tmp_path / "mine", None, photos.spec))
    assert not is_read(custom.CustomImages(tmp_path / "mine" / "link", None, photos.spec))
    assert not is_read(custom.CustomImages(tmp_path / "mine", photos.data, photos.spec))


@pytest.mark.parametrize("name", ["/a\0b", "/" + "x" * 5000, "", "photos"])
def test_an_invalid_path_of_images_is_refused(name: str, photos: custom.CustomImages) -> None:
    with pytest.raises(DatasetError, match=r"the store names|published"):
        allowed_folders.refuse_unless_allowed(custom.CustomImages(photos.data, Path(name), photos.spec))


@pytest.mark.parametrize("content", [b"{", b'3\n[]\nnull\n""\n', b"\xff\xfe", b'"home/photos"\n'])
def test_a_damaged_file_of_folders_allows_nothing(
    content: bytes, photos: custom.CustomImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = allowed_folders.record_path()
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert not is_read(photos)
