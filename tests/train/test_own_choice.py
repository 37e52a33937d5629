"""Which images of one's own a measurement takes (rnc/probe/measured_images.py), and what its last line says of them."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from rnc.datasets import ImageSet
from rnc.probe.measured_images import shortages
from rnc.store.reader import StoreReader
from rnc.store.run_card import train_command
from tests.train.malformed.network import MODEL, state, write_images
from tests.train.own_networks import HERE, chosen
from train.measure import main

FEW = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--threads", "1", "--layerwise-epochs", "none"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))


def uneven(path: Path, counts: tuple[int, ...]) -> Path:
    """An npz file with so many images of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.random.default_rng(0).integers(256, size=(len(labels), 8, 8, 3), dtype=np.uint8)
    np.savez(path, images=images, labels=labels)
    return path


def measured(tmp_path: Path, data: Path, *more: str) -> int:
    torch.save(state(), tmp_path / "weights.pth")
    given = ["--checkpoint", str(tmp_path / "weights.pth"), "--data", str(data), "--model", MODEL, *FEW, *more]
    return main([*given, "--store", str(tmp_path / "store" / "rnc.duckdb")])


def test_a_subset_of_each_split_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "images" / "train", each=5)
    write_images(tmp_path / "images" / "test", each=3)
    assert measured(tmp_path, tmp_path / "images", "--measure-subset", "6", "--sample-size", "6") == 0
    reader = StoreReader(tmp_path / "store" / "rnc.duckdb")
    features = reader.samples.features(reader.runs.all()["run_id"].item())
    for split, most in (("train", 15), ("test", 9)):
        names = set(features[features["split"] == split]["sample"])
        assert len(names) == 6 and max(names) < most
    last = capsys.readouterr().out.splitlines()[-1]
    assert "train: 6 of 15 images measured" in last and "test: 6 of 9 images measured" in last


def test_one_image_of_each_class_is_said_to_collapse_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "test"):
        write_images(tmp_path / "images" / part, each=3)
    assert measured(tmp_path, tmp_path / "images", "--measure-subset", "3", "--sample-size", "3") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "train: one image of each class, so that NC1 is 0 and the nearest centre is always right" in last
    assert "test: one image of each class" in last


def test_what_balance_allows_is_taken_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = uneven(tmp_path / "set.npz", (100, 20, 4))
    assert measured(tmp_path, data, "--measure-subset", "90") == 0
    said = capsys.readouterr().out
    assert (
        "train: 12 images are measured instead of the requested 90: 4 of each class, because class 2 has no more; "
        "--measure-subset 0 measures all 124"
    ) in said


def test_kept_features_that_balance_shrinks_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = uneven(tmp_path / "set.npz", (30, 20, 4))
    assert measured(tmp_path, data, "--sample-size", "30") == 0
    said = capsys.readouterr().out
    assert (
        "train: the features of 12 images are kept instead of the requested 30: 4 of each class, because class 2 has no more"
        in said
    )


@pytest.mark.parametrize(
    ("counts", "subset", "sample", "lines"),
    [
        ((5, 5, 5), 0, 200, 0),
        ((5, 5, 5), 6, 6, 0),
        ((5, 5, 4), 100, 200, 0),
        ((5, 5, 4), 13, 12, 0),
        ((9, 9, 1), 9, 3, 1),
        ((9, 9, 1), 0, 9, 1),
        ((9, 9, 1), 9, 9, 1),
    ],
)
def test_nothing_is_said_where_all_is_taken(counts: tuple[int, ...], subset: int, sample: int, lines: int) -> None:
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    part = ImageSet(torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8), labels)
    assert len(shortages(part, ("a", "b", "c"), subset, sample)) == lines


def test_the_last_line_says_what_was_measured_and_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, each in (("Train", 4), ("validation", 3), ("Test", 2)):
        write_images(tmp_path / "images" / name, each=each)
    (tmp_path / "images" / "Train" / "ant" / "boxes.txt").write_text("x")
    assert measured(tmp_path, tmp_path / "images") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    for words in (
        "train: all 12 images measured, accuracy at epoch 1 ",
        " % clean and ",
        " % under pgd-linf-8_255-1",
        "test: all 6 images measured",
        "3 classes",
        "left out: 'validation', because 'Test' is the test part; files in the class folders that are not images: 1 .txt",
    ):
        assert words in last, last


def test_a_set_without_a_test_part_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "images")
    assert measured(tmp_path, tmp_path / "images") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "test: no images; 3 classes; left out: nothing" in last


def test_options_of_the_builder_and_the_weights_key_are_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, other = chosen(3, 3, 5, act="relu"), chosen(3, 3, 5, act="relu")
    torch.save({"model": net.state_dict(), "model_ema": other.state_dict()}, tmp_path / "w.pt")
    data, runs = write_images(tmp_path / "images"), []
    options = ["--model-args", "in_channels=3", "width=5", "act=relu"]
    for number, key in enumerate((["--weights-key", "model_ema"], [])):
        store = tmp_path / f"store{number}" / "rnc.duckdb"
        given = ["--checkpoint", str(tmp_path / "w.pt"), "--data", str(data), "--model", f"{HERE}:chosen"]
        assert main([*given, *options, *key, *FEW, "--store", str(store)]) == 0
        runs.append(StoreReader(store).runs.all().iloc[0])
        again = shlex.split(train_command(json.loads(runs[-1]["config"])))
        assert main([*again[3:], "--store", str(tmp_path / f"again{number}" / "rnc.duckdb")]) == 0
        assert StoreReader(tmp_path / f"again{number}" / "rnc.duckdb").runs.all()["run_id"].item() == runs[-1]["run_id"]
        kept = StoreReader(store).vectors.classes_and_classifier_rows(runs[-1]["run_id"], 1)[1]
        assert np.allclose(kept, (other if key else net)[-1].weight.detach().numpy())
    assert runs[0]["run_id"] != runs[1]["run_id"]
