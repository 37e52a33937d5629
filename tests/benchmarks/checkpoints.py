"""A stored network in eval mode with images of its run's training set, as the benchmarks of attacks take them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from rnc import datasets
from rnc.models import FeatureClassifier, weights
from rnc.vocabulary import Split


@dataclass(frozen=True)
class Attacked:
    """A network and the images (N, c, h, w) to attack, on which it was trained, balanced over the classes."""

    model: FeatureClassifier
    images: torch.Tensor
    labels: torch.Tensor
    config: dict
    """Of the run that trained it."""

    @property
    def name(self) -> str:
        """The network in a few words."""
        return f"{self.config['model']} width {self.config['width']:g} {self.config['objective']}"

    @property
    def num_classes(self) -> int:
        """C."""
        return datasets.spec(self.config["dataset"]).num_classes


def load_attacked(checkpoint: Path, data_root: Path | None, count: int) -> Attacked:
    """A checkpoint and `count` of the images that its run trained on, or all, where those are fewer."""
    model = weights.load(checkpoint, hashlib.sha256(checkpoint.read_bytes()).hexdigest())
    with safe_open(checkpoint, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    whole = datasets.load(config["dataset"], Split.TRAIN, data_root)
    classes = datasets.spec(config["dataset"]).num_classes
    chosen = whole.take(whole.balanced_indices(min(count, config["subset"] or len(whole)), classes))
    return Attacked(model, chosen.pixels(), chosen.labels, config)
