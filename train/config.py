"""One frozen, validated description of a run. Every field changes the result; what does not is in `run.Options`."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import tyro

from rnc import datasets, models
from rnc.vocabulary import (
    CLEAN,
    Condition,
    ConditionKind,
    Norm,
    Objective,
    Role,
    TargetRule,
    default_step_size,
    parse_pixels,
)
from train.schedule import parse_epochs

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


_FLOATS = ("epsilon", "step_size", "trades_beta", "learning_rate", "momentum", "weight_decay")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run: what is trained on what and how, and what is measured when.

    Raises ValueError, saying what to do, for a name that does not exist or a number that makes no sense.
    """

    dataset: str = "digits"
    """Data set: digits."""
    model: str = "small_cnn"
    """Network: small_cnn."""
    objective: Objective = Objective.ST
    """What is minimised; st, at, at-eval-attack, trades, trades-released."""
    norm: Norm = Norm.LINF
    """Norm of the attack, in training and measurement."""
    epsilon: Pixels = 0.14
    """Radius of the attack, in pixels of [0, 1]; 8/255 is a number here."""
    step_size: Pixels | None = None
    """Step of the attack, in pixels of [0, 1]; 2.5 epsilon / steps where not given."""
    steps: int = 10
    """Steps of the attack."""
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
    measured_epochs: str = "log"
    """When to measure: log (log-spaced, with 0, the drops and the last), every, last, or a list such as 0,10,40."""
    vector_epochs: str = "measured"
    """When to keep class means, classifier, sampled features and PCA: measured, every, last, none, or a list."""
    checkpoint_epochs: str = "measured"
    """When to keep the network for the attack lab: measured, every, last, none, or a list."""
    sample_size: int = 200
    """Features kept a condition and split, balanced over the classes."""
    umap: bool = True
    """Project the last epoch's features by UMAP after the metrics have landed."""
    extra_conditions: tuple[str, ...] = ()
    """More conditions to measure, as slugs, such as pgd-l2-0.5-10: they get the role `extra`."""

    def __post_init__(self) -> None:
        """Bring fields to their types, so that equal configs have one key, and check every one that can be wrong."""
        for name, kind in (("objective", Objective), ("norm", Norm), *((name, float) for name in _FLOATS)):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else _as(kind, name, value))
        models.build(self.model, datasets.spec(self.dataset))
        positive = {"epsilon": self.epsilon, "learning_rate": self.learning_rate, "step_size": self.attack_step_size}
        _check(positive, lambda value: value > 0, "> 0")
        not_negative = {name: getattr(self, name) for name in ("momentum", "weight_decay", "trades_beta")}
        _check(not_negative, lambda value: value >= 0, ">= 0")
        for name, least in (("steps", 1), ("epochs", 0), ("batch_size", 2), ("sample_size", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if any(not 0 < drop < 1 for drop in self.lr_drops):
            raise ValueError(f"lr_drops are fractions of the run between 0 and 1, got {self.lr_drops}")
        _ = self.conditions, self.measured_at(), self.vectors_at(), self.checkpoints_at()

    @property
    def conditions(self) -> list[tuple[Role, Condition]]:
        """What the run is measured under, with the role of each; the clean condition first."""
        norm, epsilon, steps, step_size = self.norm, float(self.epsilon), self.steps, self.attack_step_size
        named = [
            (Role.CLEAN, CLEAN),
            (Role.PERTURBED, Condition(ConditionKind.PGD, norm, epsilon, steps, step_size)),
            (Role.TARGETED, Condition(ConditionKind.PGD, norm, epsilon, steps, step_size, TargetRule.NEXT)),
            (Role.GAUSSIAN, Condition(ConditionKind.GAUSSIAN, norm, epsilon)),
            (Role.SIGN_NOISE, Condition(ConditionKind.SIGN_NOISE, norm, epsilon)),
        ]
        named += [(Role.EXTRA, Condition.from_slug(slug)) for slug in self.extra_conditions]
        first: dict[str, tuple[Role, Condition]] = {}
        for role, condition in named:
            first.setdefault(condition.slug, (role, condition))
        return list(first.values())

    @property
    def attack_step_size(self) -> float:
        """The step that the attack takes, whether given or the default."""
        return default_step_size(self.epsilon, self.steps) if self.step_size is None else float(self.step_size)

    @property
    def drop_epochs(self) -> list[int]:
        """The epochs after which the learning rate is lower."""
        return [round(fraction * self.epochs) for fraction in self.lr_drops]

    def measured_at(self) -> list[int]:
        """The epochs that are measured; 0 is the initialisation."""
        return parse_epochs(self.measured_epochs, self.epochs, self.drop_epochs, None)

    def vectors_at(self) -> list[int]:
        """The epochs at which vectors are kept."""
        return parse_epochs(self.vector_epochs, self.epochs, self.drop_epochs, self.measured_at())

    def checkpoints_at(self) -> list[int]:
        """The epochs at which the network is kept."""
        return parse_epochs(self.checkpoint_epochs, self.epochs, self.drop_epochs, self.measured_at())

    def to_json(self) -> dict[str, Any]:
        """The config as JSON values, keyed by field."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def run_id(self) -> str:
        """dataset-model-objective-norm-sSEED-hash8(config): readable, and the same for the same config."""
        digest = hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.dataset}-{self.model}-{self.objective}-{self.norm}-s{self.seed}-{digest}"


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
