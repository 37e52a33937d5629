"""Images of one's own, from folders, Parquet and npz: the same images and labels whichever way, and found again by a text."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from rnc import datasets
from rnc.datasets import DatasetError, allowed_folders, custom, parquet_folder
from rnc.vocabulary import Split

CLASSES = ("ant", "bee", "cow")
RNG = np.random.default_rng(0)
IMAGES = {split: RNG.integers(256, size=(9, 12, 12, 3), dtype=np.uint8) for split in Split}
LABELS = np.repeat(np.arange(3), 3)


def encoded(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def folder(path: Path, split: Split, names: tuple[str, ...] = CLASSES) -> Path:
    for number, (image, label) in enumerate(zip(IMAGES[split], LABELS, strict=True)):
        file = path / names[label] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(image))
    return path


def parquet(path: Path, split: Split, names: tuple[str, ...] | None = CLASSES) -> Path:
    pictures = [{"bytes": encoded(image), "path": None} for image in IMAGES[split]]
    table = pa.table({"image": pictures, "label": LABELS})
    if names:
        header = '{"info": {"features": {"label": {"names": %s}}}}' % str(list(names)).replace("'", '"')  # noqa: UP031
        table = table.replace_schema_metadata({"huggingface": header})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=4)
    return path


def both(path: Path, kind: str) -> tuple[Path, tuple[str, ...]]:
    """A set with both parts, and the names that its classes get."""
    if kind == "folders":
        for split in Split:
            folder(path / {"train": "train", "test": "val"}[split], split)
        return path, CLASSES
    if kind in ("parquet", "hub"):
        for split in Split:
            parquet(path / ("data" if kind == "hub" else "") / f"{split}-00000-of-00001.parquet", split)
        return path, CLASSES
    path.mkdir(exist_ok=True)
    arrays = {f"{split}_images": IMAGES[split] for split in Split} | {f"{split}_labels": LABELS for split in Split}
    np.savez(path / "set.npz", **arrays)
    return path / "set.npz", ("0", "1", "2")


@pytest.mark.parametrize("kind", ["folders", "parquet", "hub", "npz"])
def test_every_way_gives_the_same_images(kind: str, tmp_path: Path) -> None:
    path, names = both(tmp_path / "my set", kind)
    found = custom.find(path)
    assert found.splits() == list(Split)
    assert found.spec.classes == names and found.spec.image_shape == (3, 12, 12) and found.spec.any_size
    assert found.spec.name == ("set" if kind == "npz" else "my_set")
    for split in Split:
        part = found.load(split)
        assert np.array_equal(part.images.numpy(), IMAGES[split].transpose(0, 3, 1, 2))
        assert part.labels.tolist() == LABELS.tolist() and part.levels == 255


@pytest.mark.parametrize("kind", ["folders", "parquet", "npz"])
def test_a_reference_finds_them_again(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks stands in another folder, and has the text alone."""
    path, _names = both(tmp_path / "set", kind)
    monkeypatch.chdir(tmp_path)
    found = custom.find(path.relative_to(tmp_path), side=8)
    allowed_folders.record_as_allowed(found)
    reference, here = found.reference, {split: found.load(split).fingerprint() for split in Split}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert datasets.spec(reference) == found.spec
    assert {split: datasets.load(reference, split).fingerprint() for split in Split} == here


def test_parts_may_lie_apart(tmp_path: Path) -> None:
    train, test = folder(tmp_path / "a", Split.TRAIN), parquet(tmp_path / "b.parquet", Split.TEST)
    assert custom.find(train).splits() == [Split.TRAIN]
    found = custom.find(train, test)
    assert found.splits() == list(Split)
    assert np.array_equal(found.load(Split.TEST).images.numpy(), IMAGES[Split.TEST].transpose(0, 3, 1, 2))
    with pytest.raises(DatasetError, match="has no test images"):
        custom.find(train).load(Split.TEST)


def test_classes_without_names_are_numbers_and_may_be_given_names(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", Split.TRAIN, None)
    assert custom.find(path).spec.classes == ("0", "1", "2")
    assert custom.find(path, classes=("x", "y", "z")).spec.classes == ("x", "y", "z")


def test_given_names_order_the_labels_of_folders(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", Split.TRAIN)
    labels = custom.find(path, classes=("cow", "ant", "bee")).load(Split.TRAIN).labels
    assert labels.tolist() == [1] * 3 + [2] * 3 + [0] * 3


def test_folders_that_are_alike_but_for_their_spelling_stay_apart(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", Split.TRAIN, ("A b", "a-b", "ab"))
    found = custom.find(path)
    assert found.spec.classes == ("A b", "a-b", "ab")
    assert torch.bincount(found.load(Split.TRAIN).labels).tolist() == [3, 3, 3]


@pytest.mark.parametrize("kind", ["folders", "npz"])
def test_images_are_brought_to_a_size_and_to_grey(kind: str, tmp_path: Path) -> None:
    path, _names = both(tmp_path / "a", kind)
    found = custom.find(path, side=6, channels=1).load(Split.TRAIN)
    assert found.images.shape == (9, 1, 6, 6)
    expected = [
        np.asarray(Image.fromarray(i).convert("L").resize((6, 6), Image.Resampling.BILINEAR))
        for i in IMAGES[Split.TRAIN]
    ]
    assert np.array_equal(found.images[:, 0].numpy(), np.stack(expected))


def test_folders_of_many_sizes_take_the_first_shorter_side(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", Split.TRAIN)
    Image.new("RGB", (40, 20)).save(path / "ant" / "!.png")  # (the first)
    Image.new("RGB", (30, 90)).save(path / "cow" / "9.jpg")
    found = custom.find(path)
    assert found.spec.image_shape == (3, 20, 20) and found.load(Split.TRAIN).images.shape == (11, 3, 20, 20)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["N h w", "N h w c", "N c h w"])
def test_arrays_in_any_customary_layout(layout: str, channels: int, tmp_path: Path) -> None:
    if layout == "N h w" and channels == 3:
        return
    images = RNG.integers(256, size=(6, channels, 5, 7), dtype=np.uint8)
    laid = {"N h w": images[:, 0], "N h w c": images.transpose(0, 2, 3, 1), "N c h w": images}[layout]
    labels = np.array([[0], [1], [0], [1], [0], [1]], dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", images=np.asfortranarray(laid), labels=labels)
    found = custom.find(tmp_path / "a.npz")
    assert found.spec.image_shape == (channels, 5, 7) and found.splits() == [Split.TRAIN]
    assert np.array_equal(found.load(Split.TRAIN).images.numpy(), images)
    assert found.load(Split.TRAIN).labels.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "text",
    ["own:", "own:3", "own:{}", 'own:{"data": 3}', "own:[", 'own:{"data": "a", "test_data": null, "name": "x", "classes": ["a"],'
     ' "image_shape": [3, 99999999, 1]}',
     *(f'own:{{"data": "a", "test_data": null, "name": "{name}", "classes": ["a"], "image_shape": [3, 8, 8]}}'
       for name in ("../../x", "/tmp/x", "", "a\\u0000"))],
)  # fmt: skip
def test_an_invalid_reference_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=r"images in the store is not valid.*measure the network again"):
        datasets.load(text, Split.TRAIN)


def test_large_row_groups_are_read_in_small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary may hold an image once for many rows: read together they would be as many times larger."""
    path = parquet(tmp_path / "a.parquet", Split.TRAIN)
    whole, asked = custom.find(path).load(Split.TRAIN).fingerprint(), []
    read = pq.ParquetFile.iter_batches

    def spied(file: pq.ParquetFile, size: int, **more: object) -> object:
        asked.append(size)
        return read(file, size, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spied)
    monkeypatch.setattr(parquet_folder, "_MOST_AT_ONCE", 5000)
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "another"))
    assert custom.find(path).load(Split.TRAIN).fingerprint() == whole
    assert 1 <= min(asked) <= 3
