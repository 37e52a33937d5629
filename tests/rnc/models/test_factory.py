"""Networks by name: what a person types may be imported; what a file says is imported only where RNC_MODELS allows it."""

import sys
from pathlib import Path

import pytest
import torch
from torchvision import models as theirs

from rnc import datasets
from rnc.datasets import DatasetSpec
from rnc.models import weights
from rnc.models.factory import ForbiddenModelError, build, wrap_arguments
from rnc.models.weights import CheckpointError, network_metadata

SPEC = DatasetSpec("mine", ("a", "b", "c"), (3, 8, 8), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
CODE = """
import os, torch
open(os.environ["RNC_TEST_IMPORTED"], "a").write("x")
def make(num_classes=2):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5), torch.nn.ReLU(), torch.nn.Linear(5, num_classes))
def fixed():
    return make(3)
"""


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's, `my_nets`, that can be imported; the file that it makes when it is."""
    (tmp_path / "my_nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RNC_TEST_IMPORTED", str(tmp_path / "imported"))
    monkeypatch.delenv("RNC_MODELS", raising=False)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    return tmp_path / "imported"


@pytest.mark.parametrize("name", ["my_nets:make", "my_nets:fixed"])
def test_a_trusted_name_is_imported(name: str, imported: Path) -> None:
    net = build(name, SPEC, trusted=True)
    assert net.weight.shape == (3, 5) and imported.exists()
    assert wrap_arguments(net) == {"classifier": "3", "stages": ["1"]}
    torch.testing.assert_close(net.mean.flatten(), torch.tensor(SPEC.mean))


@pytest.mark.parametrize("allowed", ["", "other", "my_nets_too", "my", "other, more"])
def test_a_name_read_from_a_file_is_not_imported(allowed: str, imported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_MODELS", allowed)
    with pytest.raises(
        ForbiddenModelError,
        match=r"code of module 'my_nets', which is named by a file and therefore not run.*start with RNC_MODELS=my_nets",
    ):
        build("my_nets:make", SPEC, trusted=False)
    assert not imported.exists() and "my_nets" not in sys.modules


@pytest.mark.parametrize("allowed", ["my_nets", "other, my_nets"])
def test_a_name_read_from_a_file_is_imported_if_it_is_allowed(
    allowed: str, imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNC_MODELS", allowed)
    assert build("my_nets:make", SPEC, trusted=False).weight.shape == (3, 5) and imported.exists()


def test_a_checkpoint_of_user_code_loads_only_if_its_module_is_allowed(
    imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, path = build("my_nets:make", SPEC, trusted=True), tmp_path / "a.safetensors"
    sha256 = weights.save(net, path, network_metadata("my_nets:make", SPEC, 1.0, net))
    imported.unlink()
    monkeypatch.delitem(sys.modules, "my_nets")
    with pytest.raises(CheckpointError, match="RNC_MODELS=my_nets"):
        weights.load(path, sha256)
    assert not imported.exists()
    monkeypatch.setenv("RNC_MODELS", "my_nets")
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(weights.load(path, sha256)(images), net.eval()(images))


def test_torchvision_and_built_in_networks_are_saved_and_loaded(tmp_path: Path) -> None:
    spec = DatasetSpec("mine", ("a", "b"), (3, 32, 32), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    for name, width in (("torchvision:resnet18", 1.0), ("preact_resnet18", 0.125)):
        net, path = build(name, spec, width, trusted=True), tmp_path / f"{width}.safetensors"
        found = weights.load(path, weights.save(net, path, network_metadata(name, spec, width, net)))
        images = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(found(images), net.eval()(images))
        assert [n for n, _x in found.activations(images)] == [n for n, _x in net.activations(images)]


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": 3}, {"spec": {"classes": ["a", "b"]}}, {"wrap": {"classifier": "x", "stages": []}}, {"wrap": {"eval": "1"}},
        {"spec": {"classes": ["a", "b", "c"], "image_shape": [3, 10**6, 10**6], "mean": [0], "std": [1]}},
        {"spec": {"classes": ["a", "b", "c"], "image_shape": ["3", "x"], "mean": [0], "std": [1]}},
        {"model": "torchvision:eval"}, {"model": "os:system"}, {"model": "nothing"}, {"model": "torchvision:vgg11"},
    ],
    ids=str,
)  # fmt: skip
def test_invalid_metadata_are_refused(changes: dict, tmp_path: Path) -> None:
    spec = DatasetSpec("mine", ("a", "b", "c"), (3, 32, 32), (0.0,), (1.0,))
    net, path = build("torchvision:resnet18", spec, trusted=True), tmp_path / "a.safetensors"
    sha256 = weights.save(net, path, network_metadata("torchvision:resnet18", spec, 1.0, net) | changes)
    with pytest.raises(CheckpointError) as caught:
        weights.load(path, sha256)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet18", {}, "unknown model 'resnet18'; there are: preact_resnet18.*torchvision:resnet18"),
        ("torchvision:resnet19", {}, "no classifier 'resnet19'; it has: alexnet"),
        ("torchvision:fcn_resnet50", {}, "no classifier 'fcn_resnet50'"),
        ("torchvision:resnet18", {"width": 0.5}, "width applies only to built-in networks"),
        ("small_cnn", {"classifier": "fc"}, "small_cnn is a built-in network"),
        ("my_nets:none", {}, r"cannot be built \(AttributeError"),
        ("no_such_module:f", {}, r"cannot be built \(ModuleNotFoundError"),
        ("os:getcwd", {}, "returns str, not a torch.nn.Module"),
    ],
)
def test_an_unknown_or_invalid_network_name_is_refused(name: str, options: dict, message: str, imported: Path) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, SPEC, trusted=True, **options)


def test_a_built_in_network_has_the_classes_of_the_images() -> None:
    assert build("small_cnn", SPEC, trusted=False).weight.shape[0] == 3
    assert build("small_cnn", datasets.spec("digits"), trusted=True).weight.shape[0] == 10


def test_torchvision_builds_what_it_lists() -> None:
    spec = DatasetSpec("mine", ("a", "b"), (3, 32, 32), (0.0,), (1.0,))
    net = build("torchvision:vgg11_bn", spec, trusted=False)
    assert isinstance(net.get_submodule("module"), theirs.VGG) and net.weight.shape == (2, 4096)
