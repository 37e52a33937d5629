"""Images are decoded once, anew when a file changes or the cache is damaged, and the cache's own trouble is no error."""

import logging
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rnc import datasets
from rnc.datasets import DatasetError, ImageSet
from rnc.datasets import cache as module
from rnc.vocabulary import Split
from tests.synthetic_images import write_dataset

WAIT = 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "images", "mnist", per_class=1)
    return tmp_path / "images"


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits that were decoded, in order."""
    seen, original = [], module.decode
    monkeypatch.setattr(
        module, "decode", lambda spec, split, src: seen.append(str(split)) or original(spec, split, src)
    )
    return seen


def load(root: Path, split: str = "train") -> ImageSet:
    return datasets.load("mnist", Split(split), root)


def same(one: ImageSet, other: ImageSet) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def kept(cache: Path) -> Path:
    (found,) = cache.iterdir()
    return found


def test_the_second_load_does_not_decode(root: Path, cache: Path, decodings: list[str]) -> None:
    first, second = load(root), load(root)
    assert decodings == ["train"] and same(first, second)
    assert kept(cache).name.startswith("mnist-train-") and kept(cache).suffix == ".npz"


def test_splits_do_not_mix(root: Path, decodings: list[str]) -> None:
    train, test = load(root), load(root, "test")
    assert decodings == ["train", "test"] and not same(train, test)
    assert same(load(root), train) and same(load(root, "test"), test) and len(decodings) == 2


def test_a_copied_root_is_not_decoded_again_and_files_of_other_times_are(root: Path, decodings: list[str]) -> None:
    load(root)
    shutil.copytree(root, root.with_name("copy"))  # copies times too
    load(root.with_name("copy"))
    assert len(decodings) == 1
    file = next(root.rglob("train-*"))
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    load(root)
    assert len(decodings) == 2


def test_a_changed_file_is_decoded_anew(root: Path, decodings: list[str]) -> None:
    before, file = load(root), next(root.rglob("train-*"))
    time = file.stat().st_mtime_ns
    write_dataset(root, "mnist", per_class=2, seed=1)
    os.utime(file, ns=(time, time))  # the size alone tells
    after = load(root)
    assert len(decodings) == 2 and len(after) == 2 * len(before)


def test_an_added_and_a_moved_image_are_seen(tmp_path: Path, decodings: list[str]) -> None:
    """Moved so that all files keep name, size, time and order: another class is in the folder's name alone."""
    numbers, folder = np.random.default_rng(0), tmp_path / "mnist/train"
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        image = numbers.integers(256, size=(28, 28), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{digit}/{2 * digit:02}.png")
    assert load(tmp_path).labels.tolist() == list(range(10))
    shutil.copy(folder / "3/06.png", folder / "4/09.png")
    assert load(tmp_path).labels.tolist() == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]
    (folder / "4/09.png").rename(folder / "5/09.png")
    assert load(tmp_path).labels.tolist() == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]
    assert len(decodings) == 3


def test_a_truncated_cache_is_decoded_anew_and_mended(
    root: Path, cache: Path, decodings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    good = load(root)
    content = kept(cache).read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        kept(cache).write_bytes(content[:length])
        decodings.clear()
        assert same(load(root), good) and decodings == ["train"]
        assert f"{kept(cache)} cannot be read" in caplog.text
        assert same(load(root), good) and decodings == ["train"]


def test_no_flipped_bit_of_a_cache_changes_an_image(root: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Headers are tried at every byte: there a flip looks like a password, another size or an endless line."""
    caplog.set_level(logging.ERROR)
    good, spec = load(root), datasets.spec("mnist")
    file, content = kept(cache), kept(cache).read_bytes()
    found = []
    for place in [*range(200), *range(200, len(content) - 250, 101), *range(len(content) - 250, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        arrays = module._read(file, spec)
        found.append(arrays is None)
        assert arrays is None or (np.array_equal(arrays[0], good.images) and np.array_equal(arrays[1], good.labels)), (
            f"byte {place}"
        )
    assert any(found) and not all(found)  # such as a time stamp


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param({"images": np.zeros((10, 1, 28, 28))}, id="floats"),
        pytest.param({"images": np.zeros((10, 1, 8, 8), np.uint8)}, id="another shape"),
        pytest.param({"images": np.zeros((9, 1, 28, 28), np.uint8)}, id="fewer than labels"),
        pytest.param({"labels": np.zeros(10, np.int32)}, id="other labels"),
        pytest.param({"labels": np.array([None] * 10)}, id="pickled objects"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_cache_of_something_else_is_decoded_anew(
    root: Path, cache: Path, decodings: list[str], arrays: dict[str, np.ndarray]
) -> None:
    good = load(root)
    right = {"images": good.images.numpy(), "labels": good.labels.numpy()} if arrays else {}
    np.savez(kept(cache), **(right | arrays))
    assert same(load(root), good) and len(decodings) == 2


def test_a_cache_folder_that_cannot_be_created_is_only_a_warning(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decodings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "file" / "cache"))
    assert same(load(root), load(root)) and len(decodings) == 2
    assert "could not be saved" in caplog.text and "RNC_CACHE" in caplog.text and str(tmp_path / "file") in caplog.text


def test_a_full_disk_leaves_no_half_file(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file, **arrays) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert len(load(root)) == 10 and not list(cache.iterdir())


def test_a_link_to_nowhere_is_an_error_that_names_it(root: Path) -> None:
    file = next(root.rglob("train-*"))
    file.rename(root / "elsewhere")
    file.symlink_to(root / "nowhere")
    with pytest.raises(DatasetError, match=rf"cannot be found .*{file.name}.*copy or download it again"):
        load(root)


def test_the_default_folder_is_in_data(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert module.cache_folder() == cache
    monkeypatch.setenv("RNC_CACHE", "")
    assert module.cache_folder() == Path("data/cache")


def _load_together(root: Path, barrier, results) -> None:
    original = module._write

    def write(*arguments) -> None:
        barrier.wait(WAIT)  # each has decoded before either writes
        original(*arguments)

    module._write = write
    results.put(load(root).fingerprint())


def test_two_processes_may_decode_at_once(root: Path, cache: Path, decodings: list[str]) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_load_together, args=(root, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=WAIT) for _ in processes]
    for process in processes:
        process.join(WAIT)
    assert kept(cache).suffix == ".npz"
    assert found == [load(root).fingerprint()] * 2 and not decodings  # what they left is whole
