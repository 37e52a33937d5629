"""Image sets in the layouts that people have are measured to the end: Tiny ImageNet's tree, the hub's Parquet, CIFAR-100.

RNC_TEST_DATA=FOLDER names a folder with a `cifar100`, as `--data-root` takes it; without it that test is skipped.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from rnc import datasets
from rnc.vocabulary import Split
from tests.synthetic_images import encoded
from tests.train.stored import check_stored
from tests.train.user_networks import HERE, plain
from train.measure import main

FEW = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--threads", "1", "--model", f"{HERE}:plain"]
TINY = tuple(f"n{2_000_000 + 7919 * number:08}" for number in range(200))


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RNC_MODELS", HERE)


def network(num_classes: int, path: Path) -> nn.Module:
    """A network whose weights are in the file."""
    torch.manual_seed(0)
    net = plain(num_classes).eval()
    torch.save(net.state_dict(), path / "w_epoch3.pt")
    return net


def write_tiny(folder: Path, side: int = 16) -> None:
    """Tiny ImageNet's archive in small: class/images/*.JPEG to train on, validation images in one folder beside a table."""
    rng = np.random.default_rng(0)

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(side, side, 3), dtype=np.uint8)).save(path, "JPEG")

    for name in TINY:
        for number in range(2):
            write(folder / "train" / name / "images" / f"{name}_{number}.JPEG")
        (folder / "train" / name / f"{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t0\t9\t9\n")
    for number, name in enumerate(TINY):
        write(folder / "val" / "images" / f"val_{number}.JPEG")
        write(folder / "sorted" / name / f"val_{number}.JPEG")
        write(folder / "test" / "images" / f"test_{number}.JPEG")
    lines = [f"val_{number}.JPEG\t{name}\t0\t0\t9\t9\n" for number, name in enumerate(TINY)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("\n".join(TINY))


def test_tiny_imagenets_tree_of_200_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny(tmp_path / "tiny")
    (tmp_path / "tiny" / "sorted").rename(tmp_path / "sorted")
    net, store = network(200, tmp_path), tmp_path / "store" / "rnc.duckdb"
    given = ["--checkpoint", str(tmp_path / "w_epoch3.pt"), "--data", str(tmp_path / "tiny"), "--store", str(store)]
    assert main([*given, "--test-data", str(tmp_path / "sorted"), "--sample-size", "200", *FEW]) == 0
    said = capsys.readouterr().out
    assert "train: all 400 images measured" in said and "test: all 200 images measured" in said
    assert "200 classes" in said and "not images: 200 .txt" in said, "what is left out is named"
    check_stored(store, net)


def test_tiny_imagenets_unsorted_parts_are_said_to_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny(tmp_path / "tiny")
    (tmp_path / "tiny" / "sorted").rename(tmp_path / "sorted")
    network(200, tmp_path)
    given = ["--checkpoint", str(tmp_path / "w_epoch3.pt"), "--data", str(tmp_path / "tiny")]
    assert main([*given, "--store", str(tmp_path / "store" / "rnc.duckdb"), "--sample-size", "200", *FEW]) == 0
    said = capsys.readouterr().out
    assert "test: no images" in said
    for part in ("val", "test"):
        assert part in said.partition("left out: ")[2]
    assert "no folders of the classes" in said


def write_hub_part(path: Path, labels: np.ndarray, names: list[str], seed: int) -> None:
    """A Parquet file as the hub converts sets, with JPEGs of two sizes."""
    rng, pictures = np.random.default_rng(seed), []
    for number in range(len(labels)):
        side, buffer = 32 + 8 * (number % 2), io.BytesIO()
        Image.fromarray(rng.integers(256, size=(side, side, 3), dtype=np.uint8)).save(buffer, "JPEG")
        pictures.append({"bytes": buffer.getvalue(), "path": f"{number}.jpg"})
    header = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}}}
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(pictures, struct), "label": pa.array(labels.tolist(), pa.int64())})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({b"huggingface": json.dumps(header).encode()}), path)


@pytest.mark.parametrize("within", ["", "default"])
def test_the_hubs_converted_layout(within: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["ant lion", "bee", "cow"]
    for number in range(2):
        write_hub_part(tmp_path / "set" / within / "train" / f"000{number}.parquet", np.arange(6) % 3, names, number)
    write_hub_part(tmp_path / "set" / within / "test" / "0000.parquet", np.arange(9) % 3, names, 9)
    net, store = network(3, tmp_path), tmp_path / "store" / "rnc.duckdb"
    given = ["--checkpoint", str(tmp_path / "w_epoch3.pt"), "--data", str(tmp_path / "set"), "--store", str(store)]
    assert main([*given, "--sample-size", "6", *FEW]) == 0
    said = capsys.readouterr().out
    assert "train: all 12 images measured" in said and "test: all 9 images measured" in said
    assert "3 classes; left out: nothing" in said
    check_stored(store, net)


def cifar100(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], subset: int) -> None:
    net, store = network(100, tmp_path), tmp_path / "store" / "rnc.duckdb"
    given = ["--checkpoint", str(tmp_path / "w_epoch3.pt"), "--dataset", "cifar100", "--data-root", str(root)]
    assert main([*given, "--measure-subset", str(subset), "--sample-size", "100", "--store", str(store), *FEW]) == 0
    said = capsys.readouterr().out
    parts = {split: datasets.load("cifar100", split, root) for split in Split}
    for split, part in parts.items():
        assert f"{split}: {subset} of {len(part)} images measured" in said
    chosen = {split: part.balanced_indices(subset, 100).numpy() for split, part in parts.items()}
    spec = datasets.spec("cifar100")
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (spec.mean, spec.std))
    check_stored(store, net, root=root, measured=chosen, normalised=lambda pixels: (pixels - mean) / std)


def test_cifar_100_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(os.environ.get("RNC_TEST_DATA", tmp_path))
    if not (root / "cifar100").is_dir():
        pytest.skip("RNC_TEST_DATA names no folder with CIFAR-100's images in cifar100")
    cifar100(root, tmp_path, capsys, 400)


def test_a_set_of_cifar_100s_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same on random images, where the real ones are not at hand."""
    spec, rng = datasets.spec("cifar100"), np.random.default_rng(0)
    labels = np.arange(300) % 100
    header = {"info": {"features": {"fine_label": {"names": list(spec.classes), "_type": "ClassLabel"}}}}
    for split in Split:
        pictures = [
            {"bytes": encoded(image), "path": None}
            for image in rng.integers(256, size=(300, 3, 32, 32), dtype=np.uint8)
        ]
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        columns = {
            "img": pa.array(pictures, struct),
            "fine_label": pa.array(labels),
            "coarse_label": pa.array(labels % 20),
        }
        table = pa.table(columns).replace_schema_metadata({b"huggingface": json.dumps(header).encode()})
        path = tmp_path / "images" / "cifar100" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    cifar100(tmp_path / "images", tmp_path, capsys, 200)
