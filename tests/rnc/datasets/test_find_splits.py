"""The parts of one's own images are found under every name that people use, and what is left out is said (splits.py)."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnc.datasets import DatasetError, custom
from rnc.vocabulary import Split
from tests.rnc.datasets.test_custom import CLASSES, IMAGES, LABELS, folder, parquet

TRAIN_NAMES = ("train", "training", "Train", "TRAINING")
TEST_NAMES = ("test", "testing", "valid", "validation", "val", "dev", "eval", "evaluation", "Test", "VAL", "Dev")
HUB = "{}-00000-of-00001.parquet"
LAYOUTS = ("{}", "{}.parquet", HUB, f"data/{HUB}", "{}/0000.parquet", "default/{}/0000.parquet", "my_{}.parquet")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(path: Path, split: Split) -> Path:
    return parquet(path, split) if path.suffix == ".parquet" else folder(path, split)


def same(found: custom.CustomImages, split: Split, of: Split | None = None) -> bool:
    part, images = found.load(split), IMAGES[of or split].transpose(0, 3, 1, 2)
    return np.array_equal(part.images.numpy(), images) and part.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("train", "test"), [*((t, "test") for t in TRAIN_NAMES), *(("train", t) for t in TEST_NAMES), ("Train", "Valid")]
)
def test_both_parts_are_found_whatever_they_are_called(layout: str, train: str, test: str, tmp_path: Path) -> None:
    write(tmp_path / "set" / layout.format(train), Split.TRAIN)
    write(tmp_path / "set" / layout.format(test), Split.TEST)
    found = custom.find(tmp_path / "set")
    assert found.spec.classes == CLASSES and found.splits() == list(Split) and found.describe_unused() == []
    assert same(found, Split.TRAIN) and same(found, Split.TEST)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_test_split_is_preferred_to_validation_and_this_is_reported(layout: str, tmp_path: Path) -> None:
    for name, split in (("train", Split.TRAIN), ("validation", Split.TRAIN), ("test", Split.TEST)):
        write(tmp_path / layout.format(name), split)
    found = custom.find(tmp_path)
    assert same(found, Split.TRAIN) and same(found, Split.TEST)
    (line,) = found.describe_unused()
    assert "validation" in line and "test" in line


def test_arrays_go_by_the_same_names(tmp_path: Path) -> None:
    arrays = {"Train_images": IMAGES[Split.TRAIN], "Train_labels": LABELS}
    arrays |= {"val_images": IMAGES[Split.TRAIN], "val_labels": LABELS}
    arrays |= {"testing_images": IMAGES[Split.TEST], "testing_labels": LABELS}
    np.savez(tmp_path / "a.npz", extra=np.zeros(3), **arrays)
    found = custom.find(tmp_path / "a.npz")
    assert same(found, Split.TRAIN) and same(found, Split.TEST)
    (line,) = found.describe_unused()
    assert "extra" in line and "val_images" in line and "testing_images" not in line


def test_files_of_no_part_are_left_out_by_name(tmp_path: Path) -> None:
    for name in ("train", "extra", "test"):
        parquet(tmp_path / f"{name}.parquet", Split.TEST if name == "test" else Split.TRAIN)
    (tmp_path / "README.md").write_text("x")
    found = custom.find(tmp_path)
    assert same(found, Split.TRAIN) and len(found.load(Split.TRAIN)) == 9
    said = "; ".join(found.describe_unused())
    assert "extra.parquet" in said and "README.md" in said


def test_files_without_a_part_are_the_training_images(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", Split.TRAIN)
    assert custom.find(tmp_path).splits() == [Split.TRAIN]
    parquet(tmp_path / "test.parquet", Split.TEST)
    with pytest.raises(DatasetError, match=r"a\.parquet.*--data FILE --test-data FILE"):
        custom.find(tmp_path)


def test_several_subsets_are_refused_with_a_choice(tmp_path: Path) -> None:
    for subset in ("plain", "noisy"):
        parquet(tmp_path / subset / "train" / "0000.parquet", Split.TRAIN)
    with pytest.raises(DatasetError, match=r"subsets.*'noisy'.*'plain'.*--data .*noisy"):
        custom.find(tmp_path)


def test_a_gap_in_the_hubs_numbers_is_an_error(tmp_path: Path) -> None:
    for number in (0, 2):
        parquet(tmp_path / "train" / f"000{number}.parquet", Split.TRAIN)
    with pytest.raises(DatasetError, match=r"numbered 1 .*missing|missing.*\b1\b"):
        custom.find(tmp_path)


def test_a_folder_with_only_a_test_split_is_refused(tmp_path: Path) -> None:
    for name in ("test", "val"):
        folder(tmp_path / name, Split.TEST)
    with pytest.raises(DatasetError, match=r"no training.*--data .*test"):
        custom.find(tmp_path)


def test_classes_beside_a_test_folder_of_the_same_classes(tmp_path: Path) -> None:
    folder(tmp_path, Split.TRAIN)
    folder(tmp_path / "test", Split.TEST)
    found = custom.find(tmp_path)
    assert found.spec.classes == CLASSES and same(found, Split.TRAIN) and same(found, Split.TEST)


def test_a_class_may_be_called_as_a_part_is(tmp_path: Path) -> None:
    names = ("bus", "test", "train")
    folder(tmp_path, Split.TRAIN, names)
    found = custom.find(tmp_path)
    assert found.spec.classes == names and same(found, Split.TRAIN) and found.splits() == [Split.TRAIN]


def test_a_part_without_class_folders_is_left_out_by_name(tmp_path: Path) -> None:
    """As Tiny ImageNet and Kaggle give their test images."""
    folder(tmp_path / "train", Split.TRAIN)
    (tmp_path / "test" / "images").mkdir(parents=True)
    Image.new("RGB", (12, 12)).save(tmp_path / "test" / "images" / "0.png")
    (tmp_path / "val").mkdir()
    Image.new("RGB", (12, 12)).save(tmp_path / "val" / "0.png")
    (tmp_path / "words.txt").write_text("x")
    found = custom.find(tmp_path)
    assert found.splits() == [Split.TRAIN]
    said = "; ".join(found.describe_unused())
    assert "test" in said and "val" in said and "class" in said and "words.txt" in said


@pytest.mark.parametrize(
    "suffix", [".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".jfif", ".BMP"]
)
def test_every_image_format_of_torchvision_is_read(suffix: str, tmp_path: Path) -> None:
    path = folder(tmp_path, Split.TRAIN)
    picture = Image.fromarray(IMAGES[Split.TEST][0]).convert("L" if suffix == ".pgm" else "RGB")
    picture.save(path / "ant" / f"x{suffix}", format="JPEG" if suffix == ".jfif" else None)
    assert len(custom.find(path).load(Split.TRAIN)) == 10 and custom.find(path).describe_unused() == []


def test_sub_folders_of_a_class_are_walked_in_torchvisions_order(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    folder(tmp_path, Split.TRAIN)
    for number, place in enumerate(("images/b.png", "images/a.png", "images/deep/c.PNG", "a/z.bmp", "0.png")):
        file = tmp_path / "bee" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[Split.TEST][number]).save(file)
    theirs = ImageFolder(str(tmp_path))
    ours = custom.find(tmp_path).load(Split.TRAIN)
    assert ours.labels.tolist() == theirs.targets and len(ours) == 14
    expected = np.stack([np.asarray(image) for image, _label in theirs]).transpose(0, 3, 1, 2)
    assert np.array_equal(ours.images.numpy(), expected)


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    folder(tmp_path, Split.TRAIN)
    (tmp_path / "ant" / "again").symlink_to(tmp_path / "ant")
    found = custom.find(tmp_path)
    assert len(found.load(Split.TRAIN)) == 9


def test_other_files_in_class_folders_are_counted(tmp_path: Path) -> None:
    folder(tmp_path / "train", Split.TRAIN)
    for name in ("ant/boxes.txt", "bee/boxes.txt", "bee/movie.gif", "cow/._0.png", "notes.md"):
        (tmp_path / "train" / name).write_text("x")
    said = "; ".join(custom.find(tmp_path).describe_unused())
    assert "2 .txt" in said and "1 .gif" in said and "1 hidden" in said and "notes.md" in said


def test_a_set_with_nothing_left_out_says_nothing(tmp_path: Path) -> None:
    folder(tmp_path / "train", Split.TRAIN)
    assert custom.find(tmp_path).describe_unused() == []
    shutil.rmtree(tmp_path / "train" / "ant")
    folder(tmp_path / "b", Split.TEST)
    assert custom.find(tmp_path / "b").describe_unused() == []


@pytest.mark.parametrize("named", ["{split}_images {split}_labels", "x_{split} y_{split}", "X_{split} Y_{split}"])
def test_arrays_of_an_npz_by_the_names_that_people_give_them(named: str, tmp_path: Path) -> None:
    arrays = {}
    for split in Split:
        images, labels = named.format(split=split).split()
        arrays |= {images: IMAGES[split], labels: LABELS}
    np.savez(tmp_path / "a.npz", **arrays)
    found = custom.find(tmp_path / "a.npz")
    assert all(same(found, split) for split in Split) and found.describe_unused() == []


def test_the_unused_training_split_of_the_test_data_is_reported(tmp_path: Path) -> None:
    arrays = {"train_images": IMAGES[Split.TRAIN], "train_labels": LABELS}
    arrays |= {"test_images": IMAGES[Split.TEST], "test_labels": LABELS}
    np.savez(tmp_path / "a.npz", **arrays)
    for name, split in (("train", Split.TRAIN), ("test", Split.TEST)):
        folder(tmp_path / "b" / name, split, ("0", "1", "2"))
    for test_data, said in ((tmp_path / "a.npz", "train_images"), (tmp_path / "b", "the train images in b")):
        found = custom.find(tmp_path / "b", test_data)
        assert same(found, Split.TEST) and any(said in line for line in found.describe_unused())
        assert any("the test images in b" in line for line in found.describe_unused())
