"""The frozen, validated description of a run. Every field changes the result; other settings are in `Options`."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache

import torch

from rnc import datasets, models
from rnc.probe.epoch_choice import parse_epochs
from rnc.probe.measurement_config import (
    Epochs,
    MeasurementConfig,
    check,
    check_fractions,
    check_least,
    check_most,
    converted,
)
from rnc.vocabulary import TRAINED, Objective

_FLOATS = ("trades_beta", "learning_rate", "momentum", "weight_decay")
_LEAST = {"epochs": 0, "batch_size": 2, "seed": 0, "subset": 0}
_MOST = {"epochs": 1_000_000, "batch_size": 1_000_000, "subset": 10**9}
_MOST_FLOATS = dict.fromkeys(("learning_rate", "weight_decay", "trades_beta"), 1e38)
_MOST_SEED = {"seed": (2**63 - 1) // 1_000_003 - _MOST["epochs"]}
_LEAST_FEATURES = 2


@cache
def _feature_dimension(model: str, dataset: str, width: float) -> int:
    """Return d of a network, which is built without memory; a grid of a hundred configs has few different networks."""
    with torch.device("meta"):
        return int(models.build(model, datasets.spec(dataset), width).weight.shape[1])


@dataclass(frozen=True, kw_only=True)
class RunConfig(MeasurementConfig):
    """A run: the network, its data and its training, and the epochs and conditions of its measurement.

    Raises ValueError with a remedy for a name that does not exist or a number out of range.
    """

    dataset: str = "digits"
    """Data set: digits, mnist, fashion_mnist, cifar10, cifar100, imagenette."""
    model: str = "small_cnn"
    """Network: small_cnn, vgg11_bn, preact_resnet18."""
    objective: Objective = Objective.ST
    """Training objective: st, at, at-eval-attack, trades, trades-released."""
    subset: int = 0
    """Train on this many images, balanced over the classes; 0 takes all."""
    trades_beta: float = 6.0
    """Weight of the KL term of TRADES (Zhang et al. 2019)."""
    epochs: int = 60
    """Passes over the training set."""
    batch_size: int = 128
    """Images per step; the last, partial batch is kept."""
    learning_rate: float = 0.1
    """Initial learning rate of SGD; multiplied by 0.1 at each drop."""
    momentum: float = 0.9
    """Momentum of SGD."""
    weight_decay: float = 5e-4
    """Weight decay on all parameters."""
    lr_drops: tuple[float, ...] = (0.25, 0.375)
    """Epochs of the learning-rate drops, as fractions of the run; the paper's 100 and 150 of 400."""
    seed: int = 1
    """Seed of initialisation, sample order and attacks."""
    measured_epochs: str = "log"
    """When to measure: log (log-spaced, with 0, the drops and the last), milestones (only these), every, last, or a list."""

    def __post_init__(self) -> None:
        """Convert fields to their types, so that equal configs have the same key, and check every field that can be wrong."""
        for name, kind in (("objective", Objective), *((name, float) for name in _FLOATS)):
            object.__setattr__(self, name, converted(kind, name, getattr(self, name)))
        if self.objective not in TRAINED:
            raise ValueError(
                f"{self.objective} is not a training objective; python -m train.measure measures a network of your own"
            )
        spec = datasets.spec(self.dataset)
        super().__post_init__()
        self._check_network()
        check({"learning_rate": self.learning_rate}, lambda value: value > 0, "> 0")
        not_negative = {name: getattr(self, name) for name in ("momentum", "weight_decay", "trades_beta")}
        check(not_negative, lambda value: value >= 0, ">= 0")
        check_least({name: getattr(self, name) for name in _LEAST}, _LEAST)
        check_most({name: getattr(self, name) for name in _MOST}, _MOST)
        check_most({name: getattr(self, name) for name in _MOST_FLOATS}, _MOST_FLOATS, "float32 has no larger numbers")
        check_most({"momentum": self.momentum}, {"momentum": 1}, "with a larger one, steps grow without limit")
        check_most({"seed": self.seed}, _MOST_SEED, "the seeds of epochs, which are computed from it, have 64 bits")
        check_fractions("lr_drops", self.lr_drops)
        self.check_fits(spec)
        self.check_epochs()

    def _check_network(self) -> None:
        """Raise ValueError for a network that cannot be used."""
        if self.model not in models.names():
            raise ValueError(f"unknown model {self.model!r}; there are: {', '.join(models.names())}")
        features = _feature_dimension(self.model, self.dataset, self.width)
        if features < _LEAST_FEATURES:
            raise ValueError(
                f"with width {self.width:g}, {self.model} has {features} penultimate feature, but a map of features has two "
                "axes; choose a larger width, such as 0.125"
            )

    @property
    def trains_on_perturbed_images(self) -> bool:
        """Return whether an epoch trains on perturbed images, which are measured as `as_trained`."""
        return self.objective is not Objective.ST

    @property
    def drop_epochs(self) -> list[int]:
        """Return the epochs after which the learning rate is lower; the earliest is 1."""
        return [min(max(round(fraction * self.epochs), 1), self.epochs) for fraction in self.lr_drops]

    @property
    def epochs_to_choose_from(self) -> Epochs:
        """Return the initialisation, 0, and every epoch of training."""
        measured = parse_epochs(self.measured_epochs, self.epochs, self.drop_epochs, None)
        return Epochs(self.epochs, measured, self.drop_epochs)

    def learning_rate_in(self, epoch: int) -> float:
        """Return the learning rate of epoch 1, 2, ...: a tenth after each drop."""
        return self.learning_rate * 0.1 ** sum(epoch > drop for drop in self.drop_epochs)

    @property
    def run_id(self) -> str:
        """Return dataset-model-objective-norm-sSEED-hash8(config): readable, and the same for the same config."""
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.dataset}-{self.model}-{self.objective}-{self.norm}-s{self.seed}-{digest}"
