"""One frozen, validated description of a run. Every field changes the result; what does not is in `run.Options`."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import torch
import tyro

from rnc import datasets, models
from rnc.conditions import CLEAN, Condition, parse_pixels
from rnc.vocabulary import ConditionKind, Norm, Objective, Role, TargetRule
from train.schedule import parse_epochs
from train.settings import Attack, attack

Pixels = Annotated[
    float,
    tyro.conf.arg(metavar="PIXELS"),
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="FLOAT|K/255",
        instance_from_str=lambda args: parse_pixels(args[0]),
        is_instance=lambda instance: isinstance(instance, float | int),
        str_from_instance=lambda instance: [f"{instance:.10g}"],
    ),
]
"""A perturbation size in pixel units; the command line takes 0.1 and 8/255 alike."""


_FLOATS = ("width", "epsilon", "step_size", "trades_beta", "learning_rate", "momentum", "weight_decay")
_LEAST = {"steps": 1, "epochs": 0, "batch_size": 2, "sample_size": 1, "seed": 0, "subset": 0, "measure_subset": 0}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run: what is trained on what and how, and what is measured when.

    Raises ValueError, saying what to do, for a name that does not exist or a number that makes no sense.
    """

    dataset: str = "digits"
    """Data set: digits, mnist, fashion_mnist, cifar10, cifar100, imagenette."""
    model: str = "small_cnn"
    """Network: small_cnn, vgg11_bn, preact_resnet18."""
    objective: Objective = Objective.ST
    """What is minimised; st, at, at-eval-attack, trades, trades-released."""
    width: float = 1.0
    """Factor on every channel count of the network; 0.25 and less for machines without a GPU."""
    subset: int = 0
    """Train on this many images, as many of one class as of another; 0 takes all."""
    norm: Norm = Norm.LINF
    """Norm of the attack, in training and measurement."""
    epsilon: Pixels | None = None
    """Radius of the attack, in pixels of [0, 1]; 8/255 is a number here; the data set's own where not given."""
    step_size: Pixels | None = None
    """Step of the attack, in pixels of [0, 1]; the data set's own, or 2.5 epsilon / steps where those are given."""
    steps: int | None = None
    """Steps of the attack; the data set's own where not given."""
    trades_beta: float = 6.0
    """Weight of TRADES' KL term (Zhang et al. 2019)."""
    epochs: int = 60
    """Passes over the training set."""
    batch_size: int = 128
    """Images a step; the last, partial batch is kept."""
    learning_rate: float = 0.1
    """Initial learning rate of SGD, times 0.1 at each drop."""
    momentum: float = 0.9
    """Momentum of SGD."""
    weight_decay: float = 5e-4
    """Weight decay on all parameters."""
    lr_drops: tuple[float, ...] = (0.25, 0.375)
    """Where the learning rate drops, as fractions of the run; the paper's 100 and 150 of 400."""
    seed: int = 1
    """Seed of initialisation, order and attacks."""
    measure_subset: int = 0
    """Measure this many images of each split, as many of one class as of another; 0 measures all."""
    measured_epochs: str = "log"
    """When to measure: log (log-spaced, with 0, the drops and the last), milestones (those alone), every, last, or a list."""
    vector_epochs: str = "measured"
    """When to keep class means, classifier, sampled features and PCA: measured, milestones, last, none, or a list."""
    checkpoint_epochs: str = "measured"
    """When to keep the network for the attack lab: measured, milestones, last, none, or a list."""
    sample_size: int = 200
    """Features kept a condition and split, balanced over the classes."""
    layerwise_epochs: str = "measured"
    """When to measure every stage of the network: measured, every, last, none, or a list."""
    umap: bool = True
    """Project the last epoch's features by UMAP after the metrics have landed."""
    umap_epochs: str = "last"
    """Which epochs UMAP projects, in the plane fitted on the last of them: last, measured, or a list."""
    epsilon_fractions: tuple[float, ...] = (0.125, 0.25, 0.5)
    """Smaller attacks measured at the last epoch, as fractions of epsilon: {1, 2, 4}/255 where epsilon is 8/255."""
    ood_dataset: str = "noise"
    """What is foreign to the network, for NC5: a data set of the same image shape, or noise (uniform pixels)."""
    extra_conditions: tuple[str, ...] = ()
    """More conditions to measure, as slugs, such as pgd-l2-0.5-10: they get the role `extra`."""

    def __post_init__(self) -> None:
        """Bring fields to their types, so that equal configs have one key, and check every one that can be wrong."""
        for name, kind in (("objective", Objective), ("norm", Norm), *((name, float) for name in _FLOATS)):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else _as(kind, name, value))
        spec = datasets.spec(self.dataset)
        with torch.device("meta"):  # (finds what is wrong with the network, and costs nothing)
            models.build(self.model, spec, self.width)
        self._check_numbers()
        self._check_data(spec)
        if any(Condition.from_slug(slug).kind is ConditionKind.AS_TRAINED for slug in self.extra_conditions):
            raise ValueError("as_trained is measured by itself where a run trains on perturbed images; leave it out")
        _ = self.conditions, self.vectors_at(), self.checkpoints_at(), self.layerwise_at(), self.umap_at()

    def _check_numbers(self) -> None:
        positive = {"epsilon": self.attack.epsilon, "learning_rate": self.learning_rate, "width": self.width}
        _check(positive | {"step_size": self.attack.step_size}, lambda value: value > 0, "> 0")
        not_negative = {name: getattr(self, name) for name in ("momentum", "weight_decay", "trades_beta")}
        _check(not_negative, lambda value: value >= 0, ">= 0")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        for name in ("lr_drops", "epsilon_fractions"):
            if any(not 0 < fraction < 1 for fraction in getattr(self, name)):
                raise ValueError(f"{name} are fractions between 0 and 1, got {getattr(self, name)}")

    def _check_data(self, spec: datasets.DatasetSpec) -> None:
        for name in ("subset", "measure_subset"):
            if 0 < getattr(self, name) < spec.num_classes:
                raise ValueError(
                    f"{name} must be 0 (all) or at least one image of each of the {spec.num_classes} classes"
                )
        if self.ood_dataset == "noise":
            return
        foreign = datasets.spec(self.ood_dataset)
        if foreign.image_shape != spec.image_shape or foreign.name == spec.name:
            raise ValueError(
                f"ood_dataset must be another data set with images of shape {spec.image_shape}, or noise; "
                f"{foreign.name} has {foreign.image_shape}"
            )

    @property
    def conditions(self) -> list[tuple[Role, Condition]]:
        """What the run is measured under at every measured epoch, with the role of each; the clean condition first."""
        norm, epsilon, attack = self.norm, self.attack.epsilon, (self.attack.steps, self.attack.step_size)
        named = [
            (Role.CLEAN, CLEAN),
            (Role.PERTURBED, Condition(ConditionKind.PGD, norm, epsilon, *attack)),
            (Role.RELABELLED, Condition(ConditionKind.PGD, norm, epsilon, *attack, relabelled=True)),
            (Role.TARGETED, Condition(ConditionKind.PGD, norm, epsilon, *attack, TargetRule.NEXT)),
            (Role.GAUSSIAN, Condition(ConditionKind.GAUSSIAN, norm, epsilon)),
            (Role.SIGN_NOISE, Condition(ConditionKind.SIGN_NOISE, norm, epsilon)),
        ]
        if self.records_training:
            named.append((Role.AS_TRAINED, Condition(ConditionKind.AS_TRAINED)))
        return _unique(named + [(Role.EXTRA, Condition.from_slug(slug)) for slug in self.extra_conditions])

    @property
    def records_training(self) -> bool:
        """Whether the images that an epoch trains on differ from the clean ones, and are measured as `as_trained`."""
        return self.objective is not Objective.ST

    @property
    def conditions_at_end(self) -> list[tuple[Role, Condition]]:
        """The further conditions of the last epoch: the attack at fractions of its size."""
        attack = self.attack
        sizes = [
            (fraction * attack.epsilon, attack.steps, fraction * attack.step_size)
            for fraction in self.epsilon_fractions
        ]
        known = {condition for _role, condition in self.conditions}
        swept = [Condition(ConditionKind.PGD, self.norm, *size) for size in sizes]
        return _unique([(Role.EXTRA, condition) for condition in swept if condition not in known])

    @property
    def attack(self) -> Attack:
        """The attack of training and measurement, whether given or the data set's own."""
        return attack(self.dataset, self.norm, self.epsilon, self.steps, self.step_size)

    @property
    def drop_epochs(self) -> list[int]:
        """The epochs after which the learning rate is lower: none comes before the first epoch."""
        return [min(max(round(fraction * self.epochs), 1), self.epochs) for fraction in self.lr_drops]

    def learning_rate_in(self, epoch: int) -> float:
        """The learning rate of epoch 1, 2, ...: a tenth after each drop."""
        return self.learning_rate * 0.1 ** sum(epoch > drop for drop in self.drop_epochs)

    def measured_at(self) -> list[int]:
        """The epochs that are measured; 0 is the initialisation."""
        return parse_epochs(self.measured_epochs, self.epochs, self.drop_epochs, None)

    def vectors_at(self) -> list[int]:
        """The epochs at which vectors are kept."""
        return parse_epochs(self.vector_epochs, self.epochs, self.drop_epochs, self.measured_at())

    def checkpoints_at(self) -> list[int]:
        """The epochs at which the network is kept."""
        return parse_epochs(self.checkpoint_epochs, self.epochs, self.drop_epochs, self.measured_at())

    def layerwise_at(self) -> list[int]:
        """The epochs at which every stage is measured."""
        return parse_epochs(self.layerwise_epochs, self.epochs, self.drop_epochs, self.measured_at())

    def umap_at(self) -> list[int]:
        """The epochs that UMAP projects; vectors must be kept of them."""
        chosen = parse_epochs(self.umap_epochs, self.epochs, self.drop_epochs, self.measured_at()) if self.umap else []
        return [epoch for epoch in chosen if epoch in self.vectors_at()]

    def to_json(self) -> dict[str, Any]:
        """The config as JSON values, keyed by field, the attack's numbers filled in."""
        resolved = {"epsilon": self.attack.epsilon, "steps": self.attack.steps, "step_size": self.attack.step_size}
        return json.loads(json.dumps(asdict(self) | resolved))

    @property
    def run_id(self) -> str:
        """dataset-model-objective-norm-sSEED-hash8(config): readable, and the same for the same config."""
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.dataset}-{self.model}-{self.objective}-{self.norm}-s{self.seed}-{digest}"


def _unique(named: list[tuple[Role, Condition]]) -> list[tuple[Role, Condition]]:
    """Each condition once, in the first role that it has."""
    first: dict[str, tuple[Role, Condition]] = {}
    for role, condition in named:
        first.setdefault(condition.slug, (role, condition))
    return list(first.values())


def _as(kind: Callable[[Any], Any], name: str, value: Any) -> Any:
    try:
        return kind(value)
    except (ValueError, TypeError):
        choices = (
            f"; there are: {', '.join(map(str, kind))}" if isinstance(kind, type) and issubclass(kind, StrEnum) else ""
        )
        raise ValueError(f"{name} cannot be {value!r}{choices}") from None


def _check(values: dict[str, float], accepts: Callable[[float], bool], bound: str) -> None:
    for name, value in values.items():
        if not (isinstance(value, int | float) and math.isfinite(value) and accepts(value)):
            raise ValueError(f"{name} must be a finite number {bound}, got {value}")
