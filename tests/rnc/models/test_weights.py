"""A model file gives back the same bits; one that is missing, changed or without config is refused by name."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rnc import datasets, models
from rnc.models import weights
from rnc.models.weights import CheckpointError

CONFIG = {"dataset": "digits", "model": "small_cnn", "epochs": 3}


def trained() -> models.FeatureClassifier:
    """A network whose BatchNorm statistics have moved."""
    torch.manual_seed(1)
    net = models.build("small_cnn", datasets.spec("digits")).train()
    with torch.no_grad():
        net(torch.rand(8, 1, 8, 8))
    return net


def test_a_round_trip_is_bit_equal_and_in_eval_mode(tmp_path: Path) -> None:
    net, path = trained(), tmp_path / "runs" / "one" / "last.safetensors"
    sha256 = weights.save(net, path, CONFIG)
    found = weights.load(path, sha256)
    assert found.state_dict().keys() == net.state_dict().keys()
    for name, tensor in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
        assert found.state_dict()[name].dtype == tensor.dtype
    assert not any(module.training for module in found.modules())
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(found(images), net.eval()(images))


@pytest.mark.parametrize("name", models.names())
def test_a_narrow_network_comes_back_narrow(tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)
    net, path = models.build(name, datasets.spec("cifar10"), 0.125), tmp_path / "a.safetensors"
    sha256 = weights.save(net, path, {"dataset": "cifar10", "model": name, "width": 0.125})
    found = weights.load(path, sha256)
    assert found.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(found.state_dict()[key], tensor) for key, tensor in net.state_dict().items())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(found(images), net.eval()(images))


def test_the_hash_is_that_of_the_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert weights.save(trained(), path, CONFIG) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_saving_again_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    first = weights.save(trained(), path, CONFIG)
    torch.manual_seed(2)
    second = weights.save(models.build("small_cnn", datasets.spec("digits")), path, CONFIG)
    assert first != second
    assert weights.load(path, second).weight.shape[0] == 10
    with pytest.raises(CheckpointError):
        weights.load(path, first)


def test_saving_leaves_the_network_alone(tmp_path: Path) -> None:
    net = trained()
    weights.save(net, tmp_path / "a.safetensors", CONFIG)
    assert all(module.training for module in net.modules())
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_is_refused_with_both_hashes(tmp_path: Path, position: int) -> None:
    path = tmp_path / "a.safetensors"
    sha256 = weights.save(trained(), path, CONFIG)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(CheckpointError, match=f"{found[:12]}.*{sha256[:12]}") as caught:
        weights.load(path, sha256)
    assert str(path) in str(caught.value)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    sha256 = weights.save(trained(), path, CONFIG)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        weights.load(path, sha256)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read") as caught:
            weights.load(path, "0" * 64)
        assert str(path) in str(caught.value)


def test_a_file_without_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="no config"):
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    path.write_bytes(b"not a model at all")
    with pytest.raises(CheckpointError, match="no config"):
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("config", ["no JSON", "[]", "null", "{}", json.dumps({"model": "small_cnn"})])
def test_a_config_that_names_no_network_is_refused(tmp_path: Path, config: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2)}, path, metadata={"config": config})
    with pytest.raises(CheckpointError, match="no config") as caught:
        weights.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("old", [None, b"the file of before"])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, old: bytes | None
) -> None:
    path = tmp_path / "a.safetensors"
    if old is not None:
        path.write_bytes(old)

    def full(*_given: object) -> None:
        assert [file.name for file in tmp_path.glob("*.partial")] == ["a.safetensors.partial"]
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(
        CheckpointError, match=r"cannot be written \(no space left\); free space.* start .* again"
    ) as caught:
        weights.save(trained(), path, CONFIG)
    assert str(path) in str(caught.value)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([] if old is None else [old])


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    """A file stands where a folder should: unlike a read-only folder, that stops the superuser too."""
    (tmp_path / "runs").write_bytes(b"")
    path = tmp_path / "runs" / "one" / "a.safetensors"
    with pytest.raises(CheckpointError, match="cannot be written") as caught:
        weights.write_whole(path, b"content")
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_an_error_without_a_system_message_still_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: object) -> None:
        raise OSError("the network drive went away")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(CheckpointError, match=r"\(the network drive went away\)"):
        weights.write_whole(tmp_path / "a", b"content")
