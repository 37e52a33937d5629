"""A model file gives back the same bits; one that is missing, changed or without config is refused by name."""

import hashlib
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
