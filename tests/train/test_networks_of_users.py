"""Networks of the kinds that people bring are measured to the end, and what is stored is what they compute themselves.

The libraries are real ones where they are installed: make test-own.
"""

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rnc.datasets import DatasetSpec
from rnc.models.factory import build_module
from rnc.models.library_networks import parse_arguments
from tests.train.malformed.network import CLASSES, picture
from tests.train.stored import Logits, check_stored
from tests.train.user_networks import HERE, SIDE
from train.measure import main

SPEC = DatasetSpec("mine", CLASSES, (3, SIDE, SIDE), (0.0,), (1.0,))
FEW = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--sample-size", "9", "--threads", "1"]


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RNC_MODELS", HERE)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images of three classes, with a test part."""
    for part, each in (("train", 6), ("test", 4)):
        for label, name in enumerate(CLASSES):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(each):
                content = picture(seed=100 * each + 10 * label + number, size=(SIDE, SIDE))
                (tmp_path / "images" / part / name / f"{number}.png").write_bytes(content)
    return tmp_path / "images"


def needs(package: str) -> None:
    """Skip where a library is not installed."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: make test-own")


@dataclass(frozen=True)
class Kind:
    """A network by its name, what the command adds, where its logits are, and what the command must say."""

    model: str
    options: list[str] = field(default_factory=list)
    logits_in: Logits = lambda output: output
    package: str = "torch"
    said: str = ""


VIT = ["img_size=32", "depth=2", "embed_dim=48", "num_heads=3"]
RESNET = ["depths=[1,1]", "hidden_sizes=[8,16]", "embedding_size=8", "layer_type=basic"]
FUNCTION = "last layer: a product computed in forward"
KINDS = {
    "LeNet with .view": Kind(f"{HERE}:lenet", said="last layer: fc2 (d = 12); its stages: conv1, conv2, fc1"),
    "cosine classifier": Kind(
        f"{HERE}:cosine", said="head, with weights that it computes in each pass, with features normalised to length 1"
    ),
    "cosine in forward": Kind(f"{HERE}:cosine_in_forward", said=FUNCTION),
    "cosine of an uncalled layer": Kind(f"{HERE}:cosine_of_linear", said=FUNCTION),
    "a pair": Kind(
        f"{HERE}:packed", ["kind=pair"], lambda output: output[0], said="its logits: the entry 0 of its output"
    ),
    "a dict": Kind(
        f"{HERE}:packed", ["kind=dict"], lambda output: output["logits"], said="its logits: the entry 'logits' of"
    ),
    "an object": Kind(
        f"{HERE}:packed", ["kind=object"], lambda output: output.logits, said="its logits: the entry 'logits' of"
    ),
    "timm's ViT": Kind("timm:vit_tiny_patch16_224", VIT, package="timm", said="last layer: head (d = 48)"),
    "Hugging Face's ResNet": Kind(
        "hf:resnet", RESNET, lambda output: output.logits, "transformers", "last layer: classifier.1 (d = 16)"
    ),
}


def built(kind: Kind, seed: int = 0) -> nn.Module:
    """A network of a kind, whose weights, running statistics included, are not those it is built with."""
    torch.manual_seed(seed)
    net = build_module(kind.model, SPEC, 1.0, parse_arguments(kind.options), trusted=True)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.1 * torch.rand_like(tensor)).add_(0.02 * torch.rand_like(tensor))
    return net.eval()


def measured(kind: Kind, content: Any, images: Path, write: Callable = torch.save, name: str = "w_epoch7.pt") -> Path:
    """Write a checkpoint and measure it; returns the store."""
    checkpoint, store = images.parent / name, images.parent / "store" / "rnc.duckdb"
    write(content, checkpoint)
    arguments = ["--model-args", *kind.options] if kind.options else []
    given = ["--checkpoint", str(checkpoint), "--data", str(images), "--model", kind.model, *arguments]
    assert main([*given, *FEW, "--store", str(store)]) == 0
    return store


@pytest.mark.parametrize("name", KINDS)
def test_what_is_stored_is_what_the_network_computes(
    name: str, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = KINDS[name]
    needs(kind.package)
    net = built(kind)
    store = measured(kind, net.state_dict(), images)
    said = capsys.readouterr().out
    accuracies = check_stored(store, net, kind.logits_in)
    assert kind.said in said
    assert "epoch 7" in said and "left out: nothing" in said
    for split, accuracy in accuracies.items():
        assert f"{split}: all {18 if split == 'train' else 12} images measured" in said
        assert f"accuracy at epoch 7 {100 * accuracy:.1f} % clean" in said


PLAIN = Kind(f"{HERE}:plain")


def test_data_parallel_and_an_average_of_weights(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `torch.optim.swa_utils.AveragedModel` of a DataParallel saves it, beside what else a program keeps."""
    net = built(PLAIN)
    average = torch.optim.swa_utils.AveragedModel(
        nn.DataParallel(net), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    for seed in (1, 2):
        average.update_parameters(nn.DataParallel(built(PLAIN, seed)))
    content = {"model_ema": average.state_dict(), "epoch": 7, "best": 0.5, "optimizer": {"state": {}}}
    store = measured(PLAIN, content, images)
    said = capsys.readouterr().out
    assert "used the weights under 'model_ema'" in said and "removed 'module.module.' from" in said
    assert "the weights are an average of 2 networks" in said
    check_stored(store, copy.deepcopy(average.module.module))


def test_a_checkpoint_that_lightning_wrote(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the library's own Trainer, of a module whose loss has a weight of its own."""
    needs("lightning")
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"width": 12, "lr": 0.1})
            self.model, self.criterion = built(PLAIN), nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]))

        def training_step(self, batch: Any, _index: int) -> torch.Tensor:
            return self.criterion(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    module, path = Module(), images.parent / "epoch=7-step=2.ckpt"
    data = torch.utils.data.TensorDataset(torch.rand(12, 3, SIDE, SIDE), torch.arange(12) % 3)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(module.train(), torch.utils.data.DataLoader(data, 6))
    store = measured(PLAIN, path, images, lambda name, _path: trainer.save_checkpoint(name), path.name)
    said = capsys.readouterr().out
    assert "used the weights under 'state_dict'" in said and "removed 'model.' from" in said
    assert "warning: 1 entry is left out, because the network does not need it: 'criterion.weight'" in said
    check_stored(store, module.model)
