"""The measurement settings of a run: network, images, conditions and epochs, without the settings of its training.

They are shared by trained runs (`train/config.py`) and external networks (`rnc/probe/external_measurement_config.py`).

Tested by tests/train/test_config.py.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import tyro

from rnc import datasets
from rnc.attacks.from_condition import check_condition
from rnc.conditions import CLEAN, Condition, parse_pixels
from rnc.datasets import DatasetSpec
from rnc.probe.default_attack_with_overrides import Attack, attack
from rnc.probe.epoch_choice import parse_epochs
from rnc.vocabulary import ConditionKind, Norm, Role, TargetRule


def primitive(
    metavar: str, parse: Callable[[str], float], format_number: Callable[[float], str]
) -> tyro.constructors.PrimitiveConstructorSpec[float]:
    """Return the specification of a number with its own notation on the command line."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda arguments: parse(arguments[0]),
        is_instance=lambda instance: isinstance(instance, float | int),
        str_from_instance=lambda instance: [format_number(instance)],
    )


Pixels = Annotated[float, tyro.conf.arg(metavar="PIXELS"), primitive("FLOAT|K/255", parse_pixels, "{:.10g}".format)]
"""A perturbation size in pixel units; the command line accepts both 0.1 and 8/255."""

_FLOATS = ("width", "epsilon", "step_size")
_LEAST = {"steps": 1, "sample_size": 1, "measure_subset": 0}
_MOST = {"steps": 100_000, "sample_size": 1_000_000, "measure_subset": 10**9}
_MOST_WIDTH = 64
"""The largest width factor: a network with factor 64 has 64^2 times as many weights, more than any machine can hold."""


class Epochs(NamedTuple):
    """The last epoch of a run, its measured epochs, and the epochs at which its learning rate drops."""

    last: int
    measured: list[int]
    drops: list[int]


@dataclass(frozen=True, kw_only=True)
class MeasurementConfig:
    """The network, the images, and the conditions of a measurement. Raises ValueError with a remedy."""

    dataset: str = ""
    """Data set: digits, mnist, fashion_mnist, cifar10, cifar100, imagenette; or a name for your own images."""
    model: str = ""
    """Network: small_cnn, vgg11_bn, preact_resnet18; one of torchvision, as torchvision:resnet18; yours, as module:function."""
    width: float = 1.0
    """Factor on every channel count of the network; 0.25 and less for machines without a GPU."""
    norm: Norm = Norm.LINF
    """Norm of the attack, in training and measurement."""
    epsilon: Pixels | None = None
    """Radius of the attack, in pixels of [0, 1]; 8/255 is accepted; the data set's default if not given."""
    step_size: Pixels | None = None
    """Step size of the attack, in pixels of [0, 1]; default: the data set's, or 2.5 epsilon / steps if either is given."""
    steps: int | None = None
    """Steps of the attack; the data set's default if not given."""
    measure_subset: int = 0
    """Measure this many images of each split, balanced over the classes; 0 measures all."""
    vector_epochs: str = "measured"
    """When to keep class means, classifier, features, attack paths and PCA: measured, milestones, last, none, or a list."""
    checkpoint_epochs: str = "measured"
    """When to keep the network for the attack lab: measured, milestones, last, none, or a list."""
    sample_size: int = 200
    """Number of features kept per condition and split, balanced over the classes."""
    layerwise_epochs: str = "measured"
    """When to measure every stage of the network: measured, every, last, none, or a list."""
    umap: bool = True
    """Project the last epoch's features by UMAP after the metrics are stored."""
    umap_epochs: str = "last"
    """Epochs that UMAP projects, in the plane fitted on the last of them: last, measured, or a list."""
    epsilon_fractions: tuple[float, ...] = (0.125, 0.25, 0.5)
    """Smaller attacks measured at the last epoch, as fractions of epsilon: {1, 2, 4}/255 if epsilon is 8/255."""
    ood_dataset: str = "noise"
    """Out-of-distribution images for NC5: a data set of the same image shape, or noise (uniform pixels)."""
    extra_conditions: tuple[str, ...] = ()
    """More conditions to measure, as slugs such as pgd-l2-0.5-10; they get the role `extra`."""

    def __post_init__(self) -> None:
        """Convert fields to their types, so that equal configs have the same key, and check every field that can be wrong."""
        for name, kind in (("norm", Norm), *((name, float) for name in _FLOATS)):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else converted(kind, name, value))
        check({"epsilon": self.attack.epsilon, "width": self.width}, lambda value: value > 0, "> 0")
        check({"step_size": self.attack.step_size}, lambda value: value > 0, "> 0")
        check_least({name: getattr(self, name) for name in _LEAST}, _LEAST)
        check_most({name: getattr(self, name) for name in _MOST}, _MOST)
        check_most({"width": self.width}, {"width": _MOST_WIDTH}, "1 is the full network, 0.25 a narrow one")
        check_fractions("epsilon_fractions", self.epsilon_fractions)
        self._perturbed.check_size()
        self._perturbed.check_step_size()
        if any(Condition.from_slug(slug).kind is ConditionKind.AS_TRAINED for slug in self.extra_conditions):
            raise ValueError(
                "as_trained is always measured if a run trains on perturbed images; leave it out of the extra conditions"
            )

    def check_fits(self, spec: DatasetSpec) -> None:
        """Raise ValueError if the numbers of images, the attacks or the out-of-distribution images do not fit a data set."""
        for condition in (self._perturbed, *map(Condition.from_slug, self.extra_conditions)):
            check_condition(condition, spec.num_classes, math.prod(spec.image_shape))
        for name in ("subset", "measure_subset"):
            if 0 < getattr(self, name, 0) < spec.num_classes:
                raise ValueError(
                    f"{name} must be 0 (all images) or at least {spec.num_classes}, one image of each class"
                )
        if self.ood_dataset == "noise":
            return
        ood = datasets.spec(self.ood_dataset)
        if ood.image_shape != spec.image_shape or ood.name == spec.name:
            raise ValueError(
                f"ood_dataset must be another data set with images of shape {spec.image_shape}, or noise; "
                f"{ood.name} has {ood.image_shape}"
            )

    def check_epochs(self) -> None:
        """Raise ValueError if a choice of epochs is invalid, or names an epoch that is not measured."""
        _ = self.conditions, self.vectors_at(), self.checkpoints_at(), self.layerwise_at(), self.umap_at()

    @property
    def epochs_to_choose_from(self) -> Epochs:
        """Return the epochs from which the choices below are made; every kind of run defines its own."""
        raise NotImplementedError

    @property
    def run_id(self) -> str:
        """Return the run's key; every kind of run defines its own."""
        raise NotImplementedError

    @property
    def trains_on_perturbed_images(self) -> bool:
        """Return whether an epoch trains on perturbed images, which are measured as `as_trained`."""
        return False

    @property
    def attack(self) -> Attack:
        """Return the attack of training and measurement, from the given values and the data set's defaults."""
        return attack(self.dataset, self.norm, self.epsilon, self.steps, self.step_size)

    @property
    def _perturbed(self) -> Condition:
        """Return the condition of the run's own attack."""
        return Condition(ConditionKind.PGD, self.norm, self.attack.epsilon, self.attack.steps, self.attack.step_size)

    @property
    def conditions(self) -> list[tuple[Role, Condition]]:
        """Return the conditions of every measured epoch, each with its role; the clean condition comes first."""
        norm, epsilon, attack = self.norm, self.attack.epsilon, (self.attack.steps, self.attack.step_size)
        named = [
            (Role.CLEAN, CLEAN),
            (Role.PERTURBED, self._perturbed),
            (Role.RELABELLED, Condition(ConditionKind.PGD, norm, epsilon, *attack, relabelled=True)),
            (Role.TARGETED, Condition(ConditionKind.PGD, norm, epsilon, *attack, TargetRule.NEXT)),
            (Role.GAUSSIAN, Condition(ConditionKind.GAUSSIAN, norm, epsilon)),
            (Role.SIGN_NOISE, Condition(ConditionKind.SIGN_NOISE, norm, epsilon)),
        ]
        if self.trains_on_perturbed_images:
            named.append((Role.AS_TRAINED, Condition(ConditionKind.AS_TRAINED)))
        return _unique(named + [(Role.EXTRA, Condition.from_slug(slug)) for slug in self.extra_conditions])

    @property
    def conditions_at_end(self) -> list[tuple[Role, Condition]]:
        """Return the additional conditions of the last epoch: the attack at fractions of its size."""
        attack = self.attack
        sizes = [
            (fraction * attack.epsilon, attack.steps, fraction * attack.step_size)
            for fraction in self.epsilon_fractions
        ]
        known = {condition for _role, condition in self.conditions}
        swept = [Condition(ConditionKind.PGD, self.norm, *size) for size in sizes]
        return _unique([(Role.EXTRA, condition) for condition in swept if condition not in known])

    def measured_at(self) -> list[int]:
        """Return the epochs that are measured; 0 is the initialisation."""
        return self.epochs_to_choose_from.measured

    def vectors_at(self) -> list[int]:
        """Return the epochs whose vectors are kept."""
        return self._chosen(self.vector_epochs)

    def checkpoints_at(self) -> list[int]:
        """Return the epochs whose network is kept."""
        return self._chosen(self.checkpoint_epochs)

    def layerwise_at(self) -> list[int]:
        """Return the epochs at which every stage is measured."""
        return self._chosen(self.layerwise_epochs)

    def umap_at(self) -> list[int]:
        """Return the epochs that UMAP projects; their vectors must be kept."""
        chosen = self._chosen(self.umap_epochs) if self.umap else []
        return [epoch for epoch in chosen if epoch in self.vectors_at()]

    def _chosen(self, text: str) -> list[int]:
        epochs = self.epochs_to_choose_from
        return parse_epochs(text, epochs.last, epochs.drops, epochs.measured)

    def to_json(self) -> dict[str, Any]:
        """Return the config as JSON values by field, with the attack's numbers filled in."""
        resolved = {"epsilon": self.attack.epsilon, "steps": self.attack.steps, "step_size": self.attack.step_size}
        return json.loads(json.dumps(asdict(self) | resolved))


def _unique(named: list[tuple[Role, Condition]]) -> list[tuple[Role, Condition]]:
    """Return each condition once, with the first of its roles."""
    first: dict[str, tuple[Role, Condition]] = {}
    for role, condition in named:
        first.setdefault(condition.slug, (role, condition))
    return list(first.values())


def converted(kind: Callable[[Any], Any], name: str, value: Any) -> Any:
    """Return the value converted to a type. Raises ValueError with the valid choices."""
    try:
        return kind(value)
    except (ValueError, TypeError):
        choices = (
            f"; choose one of {', '.join(map(str, kind))}"
            if isinstance(kind, type) and issubclass(kind, StrEnum)
            else ""
        )
        raise ValueError(f"{name} cannot be {value!r}{choices}") from None


def check(values: dict[str, float], accepts: Callable[[float], bool], bound: str) -> None:
    """Raise ValueError for a number that is not finite or is out of bounds."""
    for name, value in values.items():
        if not (isinstance(value, int | float) and math.isfinite(value) and accepts(value)):
            raise ValueError(f"{name} must be a finite number {bound}, got {value}")


def check_least(values: dict[str, int | None], least: dict[str, int]) -> None:
    """Raise ValueError for a whole number below its minimum."""
    for name, value in values.items():
        if value is not None and value < least[name]:
            raise ValueError(f"{name} must be at least {least[name]}, got {value}")


def check_most(values: dict[str, float | None], most: Mapping[str, float], why: str = "no run needs more") -> None:
    """Raise ValueError for a number above its maximum, with the reason for the limit."""
    for name, value in values.items():
        if value is not None and value > most[name]:
            raise ValueError(f"{name} must be at most {most[name]:,}, got {value}; {why}")


def check_fractions(name: str, fractions: tuple[float, ...]) -> None:
    """Raise ValueError for a value that is not a fraction between 0 and 1."""
    if any(not 0 < fraction < 1 for fraction in fractions):
        raise ValueError(f"{name} are fractions between 0 and 1, got {fractions}")
