"""The default attacks of each data set and other common attacks, by name."""

from dataclasses import dataclass

from rnc.conditions.condition import Condition
from rnc.conditions.naming import KIND_NAMES, NORM_SIGNS
from rnc.conditions.pixels import default_step_size
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, TargetRule


@dataclass(frozen=True)
class UsualAttack:
    """PGD with `steps` steps of `step_size` in a ball of radius `epsilon`, in pixels of [0, 1]."""

    norm: Norm
    epsilon: float
    steps: int
    step_size: float


def _attacks(linf: tuple[float, int, float], l2: tuple[float, int, float]) -> dict[Norm, UsualAttack]:
    return {Norm.LINF: UsualAttack(Norm.LINF, *linf), Norm.L2: UsualAttack(Norm.L2, *l2)}


_CIFAR = _attacks((8 / 255, 10, 2 / 255), (128 / 255, 10, 15 / 255))
_ATTACKS = {
    # Small enough for adversarial training to succeed, large enough to break standard training.
    "digits": _attacks((0.14, 10, default_step_size(0.14, 10)), (1.0, 10, default_step_size(1.0, 10))),
    # Common for handwritten digits (Madry et al. 2018) and for Fashion-MNIST.
    "mnist": _attacks((0.3, 40, 0.01), (2.0, 40, 0.1)),
    "fashion_mnist": _attacks((0.1, 20, 0.01), (1.5, 20, 0.1)),
    # From the paper (section 2).
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "imagenette": _attacks((8 / 255, 5, 2 / 255), (1536 / 255, 5, 360 / 255)),
}
_APGD_STEPS = 100  # Croce and Hein 2020
_MI_STEPS = 10  # Dong et al. 2018, with momentum 1 and steps of epsilon / 10


def usual_attack(dataset: str, norm: Norm) -> UsualAttack:
    """Return the PGD of training and measurement on a data set, from the paper; an unlisted data set gets that of CIFAR."""
    return _ATTACKS.get(dataset, _CIFAR)[norm]


def presets(dataset: str) -> dict[str, Condition]:
    """Return a menu's attacks by name, for each norm: first those measured in the paper (section 3), then other common ones."""
    return {
        f"{name}, {sign}": made
        for norm, sign in NORM_SIGNS.items()
        for name, made in _presets(usual_attack(dataset, norm)).items()
    }


def _presets(usual: UsualAttack) -> dict[str, Condition]:
    kind, ball = ConditionKind, (usual.norm, usual.epsilon)
    pgd = (*ball, usual.steps, usual.step_size)
    return {
        "PGD": Condition(kind.PGD, *pgd),
        "PGD to the next class": Condition(kind.PGD, *pgd, TargetRule.NEXT),
        KIND_NAMES[kind.GAUSSIAN]: Condition(kind.GAUSSIAN, *ball),
        KIND_NAMES[kind.SIGN_NOISE]: Condition(kind.SIGN_NOISE, *ball),
        "PGD to the likeliest wrong class": Condition(kind.PGD, *pgd, TargetRule.LIKELY),
        "FGSM": Condition(kind.FGSM, *ball),
        "MI-FGSM": Condition(kind.PGD, *ball, _MI_STEPS, usual.epsilon / _MI_STEPS, momentum=1.0),
        "APGD-CE": Condition(kind.APGD, *ball, _APGD_STEPS),
        "APGD-DLR": Condition(kind.APGD, *ball, _APGD_STEPS, objective=AttackObjective.DLR),
    }
