"""A stored network reads back exactly, and a file that is not the stored one is refused through the attack lab."""

import os
from pathlib import Path

import pytest
import torch

from rnc import datasets, models
from rnc.lab.engine.loading import AttackInputs, InputLoader
from rnc.lab.network_and_images import Source
from rnc.models import FeatureClassifier, weights
from rnc.probe.save_networks import save_network
from rnc.store.row_buffer import Rows
from rnc.vocabulary import Split
from tests.train.small import small

CONFIG = small(seed=4)
Saved = tuple[Path, str, FeatureClassifier]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """The file, its stored SHA-256 and the network."""
    torch.manual_seed(0)
    net, rows = models.build("small_cnn", datasets.spec("digits")), Rows()
    with torch.no_grad():
        net.train()(torch.rand(8, 1, 8, 8))
    save_network(net, CONFIG.run_id, 40, CONFIG.to_json(), tmp_path / "rnc.duckdb", rows)
    (row,) = rows.tables()["checkpoint"].to_pylist()
    assert row["run_id"] == CONFIG.run_id and row["epoch"] == 40
    assert row["path"] == f"checkpoints/{CONFIG.run_id}/epoch-0040.safetensors"
    return tmp_path / row["path"], row["sha256"], net


def load(path: Path, sha256: str) -> AttackInputs:
    return InputLoader().balanced(Source(str(path), sha256, CONFIG.run_id, 40, "digits", Split.TEST), 20)


def test_a_network_reads_back_bit_by_bit(saved: Saved) -> None:
    path, digest, net = saved
    inputs = load(path, digest)
    assert not inputs.model.training
    found = inputs.model.state_dict()
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(found[name].cpu(), value) for name, value in net.state_dict().items())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_images_are_balanced(saved: Saved) -> None:
    inputs = load(*saved[:2])
    assert torch.bincount(inputs.labels).tolist() == [2] * 10 and inputs.num_classes == 10
    everything = datasets.load("digits", Split.TEST)
    assert torch.equal(inputs.images.cpu(), everything.pixels(inputs.indices.cpu()))


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_tampered_file_is_refused(saved: Saved, position: int) -> None:
    path, digest, _net = saved
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(weights.CheckpointError, match=r"not the file that the store recorded.*--overwrite"):
        load(path, digest)


def test_a_shortened_an_empty_and_another_networks_file_are_refused(saved: Saved) -> None:
    path, digest, net = saved
    whole = path.read_bytes()
    for content in (whole[:-1], b""):
        path.write_bytes(content)
        with pytest.raises(weights.CheckpointError, match="not the file"):
            load(path, digest)
    with torch.no_grad():
        net.classifier.bias.add_(1)
    assert weights.save(net, path, CONFIG.to_json()) != digest
    with pytest.raises(weights.CheckpointError, match="not the file"):
        load(path, digest)


def test_a_missing_file_is_refused(saved: Saved) -> None:
    path, digest, _net = saved
    path.unlink()
    with pytest.raises(weights.CheckpointError, match=r"cannot be read .*train the run again"):
        load(path, digest)


def test_a_save_that_breaks_leaves_the_old_file(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    path, digest, net = saved

    def fail(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    rows = Rows()
    with pytest.raises(weights.CheckpointError, match=r"cannot be written \(disk full\); free space"):
        save_network(net, CONFIG.run_id, 40, CONFIG.to_json(), path.parents[2] / "rnc.duckdb", rows)
    assert rows.tables() == {}
    load(path, digest)
