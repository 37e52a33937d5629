"""Networks of timm and transformers, and options for any builder. Where these are not installed, stand-ins take their place."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rnc.datasets import DatasetSpec
from rnc.models import weights
from rnc.models.factory import build, wrap_arguments
from rnc.models.library_networks import parse_arguments
from rnc.models.weights import CheckpointError, network_metadata
from tests.train.own_networks import HERE, Output, body

SPEC = DatasetSpec("mine", ("a", "b", "c"), (3, 8, 8), (0.0,), (1.0,))
FEATURES = 64


def test_options_are_python_literals_or_words() -> None:
    given = ["in_channels=3", "depths=(1,1)", "act=relu", "name='x y'", "bias=False", "drop=0.1", "norm=None"]
    expected = {
        "in_channels": 3,
        "depths": [1, 1],
        "act": "relu",
        "name": "x y",
        "bias": False,
        "drop": 0.1,
        "norm": None,
    }
    assert parse_arguments(given) == expected


@pytest.mark.parametrize(
    "text", ["x", "=3", "a b=3", "x={}", "x=f(3)", "x=1 2", "1=1", "x=__import__('os').getcwd()", "x=[[[[[1]]]]]"]
)
def test_invalid_options_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"model_args|option"):
        parse_arguments([text])


@pytest.mark.parametrize("function", ["chosen", "anything"])
def test_the_number_of_classes_and_options_reach_the_builder(function: str) -> None:
    net = build(f"{HERE}:{function}", SPEC, arguments={"in_channels": 3, "width": 5, "act": "relu"}, trusted=True)
    assert net.weight.shape == (3, 5)
    assert wrap_arguments(net)["arguments"] == {"in_channels": 3, "width": 5, "act": "relu"}
    with pytest.raises(ValueError, match=r"cannot be built \(TypeError.*depth"):
        build(f"{HERE}:{function}", SPEC, arguments={"depth": 5}, trusted=True)


def test_a_builder_that_hands_its_options_on_may_know_no_number_of_classes() -> None:
    assert build(f"{HERE}:fixed", SPEC, arguments={"in_channels": 3}, trusted=True).weight.shape == (3, 4)


def test_a_checkpoint_is_rebuilt_with_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_MODELS", HERE)
    net = build(f"{HERE}:chosen", SPEC, arguments={"in_channels": 3, "width": 5}, trusted=True)
    path, metadata = tmp_path / "a.safetensors", network_metadata(f"{HERE}:chosen", SPEC, 1.0, net)
    found, images = weights.load(path, weights.save(net, path, metadata)), torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(found(images), net.eval()(images))
    for options in ({"in_channels": 3, "width": {}}, ["x"], 3, {"a b": 1}):
        metadata["wrap"] = metadata["wrap"] | {"arguments": options}
        with pytest.raises(CheckpointError, match="cannot be rebuilt"):
            weights.load(path, weights.save(net, path, metadata))


@pytest.mark.parametrize(
    "option", ["weights", "pretrained", "checkpoint_path", "pretrained_cfg_overlay", "weights_backbone"]
)
@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:small", "hf:small"])
def test_options_that_load_are_refused(name: str, option: str, stand_ins: None) -> None:
    with pytest.raises(
        ValueError, match=rf"{option} would load weights or files, which is not allowed; give weights with --checkpoint"
    ):
        build(name, SPEC, arguments={option: "DEFAULT"}, trusted=False)


class Config(SimpleNamespace):
    """As a config of transformers: fields with defaults, one of them the images' channels."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"num_channels": 1, "num_labels": 2, "depths": [3, 4], "hidden": 9} | given)


class Small(nn.Module):
    """As a classifier of transformers: an object with the logits as an attribute."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.num_channels == 3
        self.body, self.classifier = body(), nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, config.num_labels))
        self.depths = config.depths

    def forward(self, pixel_values: torch.Tensor) -> Output:
        h = self.body(pixel_values)
        return Output(self.classifier(h), h)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules with the few names of timm and transformers that are used."""

    def create_model(name: str, pretrained: bool, num_classes: int, in_chans: int, **more: Any) -> nn.Module:
        assert name == "small" and not pretrained and in_chans == 3 and not set(more) - {"drop_rate"}
        return nn.Sequential(body(), nn.Flatten(), nn.Linear(FEATURES, num_classes))

    timm, transformers, auto = ModuleType("timm"), ModuleType("transformers"), ModuleType("auto")
    vars(timm).update(list_models=lambda: ["small", "smaller"], create_model=create_model)
    vars(auto).update(MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES={"small": "Small"})
    vars(transformers).update(
        AutoConfig=SimpleNamespace(for_model=lambda _name, **given: Config(**given)),
        AutoModelForImageClassification=SimpleNamespace(from_config=Small),
    )
    for name, module in (("timm", timm), ("transformers", transformers)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "transformers.models.auto.modeling_auto", auto)


@pytest.mark.parametrize("name", ["timm:small", "hf:small"])
def test_networks_of_libraries_are_built_saved_and_loaded(name: str, stand_ins: None, tmp_path: Path) -> None:
    options = {"drop_rate": 0.1} if name.startswith("timm") else {"depths": [1, 1]}
    net = build(name, SPEC, arguments=options, trusted=False)
    path, images = tmp_path / "a.safetensors", torch.rand(2, 3, 8, 8)
    found = weights.load(path, weights.save(net, path, network_metadata(name, SPEC, 1.0, net)))
    torch.testing.assert_close(found(images), net.eval()(images))
    assert found.weight.shape == (3, FEATURES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:other", "timm has no network 'other'; it has: small"),
        ("timm:hf-hub:a/b", "timm has no network 'hf-hub:a/b'"),
        ("hf:other", "no image classifier of type 'other'; it has: small"),
    ],
)
def test_unknown_networks_of_libraries(name: str, message: str, stand_ins: None) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, SPEC, trusted=True)


@pytest.mark.parametrize(("name", "package"), [("timm:resnet18", "timm"), ("hf:resnet", "transformers")])
def test_a_library_that_is_not_installed_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ValueError, match=rf"needs the package {package}, which is not installed: pip install {package}"
    ):
        build(name, SPEC, trusted=True)


REAL = [
    ("timm:vit_tiny_patch16_224", "timm", {"img_size": 32, "patch_size": 8, "depth": 1}, 192),
    (
        "hf:resnet",
        "transformers",
        {"depths": [1, 1], "hidden_sizes": [8, 8], "embedding_size": 8, "layer_type": "basic"},
        8,
    ),
]


@pytest.mark.parametrize(("name", "package", "options", "features"), REAL)
def test_the_libraries_themselves(name: str, package: str, options: dict, features: int) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    spec = DatasetSpec("mine", ("a", "b", "c"), (3, 32, 32), (0.0,), (1.0,))
    net = build(name, spec, arguments=options, trusted=False).eval()
    images = torch.rand(3, 3, 32, 32)
    assert net.weight.shape == (3, features)
    torch.testing.assert_close(net.features(images) @ net.weight.T + net.bias, net(images), rtol=1e-4, atol=1e-5)
