"""The attacks that go with a data set, where a config names none (paper, section 2)."""

from dataclasses import dataclass

from rnc.conditions import default_step_size
from rnc.vocabulary import Norm


@dataclass(frozen=True)
class Attack:
    """PGD of `steps` steps of `step_size` in a ball of radius `epsilon`, in pixels of [0, 1]."""

    norm: Norm
    epsilon: float
    steps: int
    step_size: float


def _attacks(linf: tuple[float, int, float], l2: tuple[float, int, float]) -> dict[Norm, Attack]:
    return {Norm.LINF: Attack(Norm.LINF, *linf), Norm.L2: Attack(Norm.L2, *l2)}


_CIFAR = _attacks((8 / 255, 10, 2 / 255), (128 / 255, 10, 15 / 255))
_ATTACKS = {
    # Small enough for adversarial training to succeed, large enough to break standard training.
    "digits": _attacks((0.14, 10, default_step_size(0.14, 10)), (1.0, 10, default_step_size(1.0, 10))),
    # Customary for handwritten digits (Madry et al. 2018) and for clothes.
    "mnist": _attacks((0.3, 40, 0.01), (2.0, 40, 0.1)),
    "fashion_mnist": _attacks((0.1, 20, 0.01), (1.5, 20, 0.1)),
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "imagenette": _attacks((8 / 255, 5, 2 / 255), (1536 / 255, 5, 360 / 255)),
}


def attack(dataset: str, norm: Norm, epsilon: float | None, steps: int | None, step_size: float | None) -> Attack:
    """The data set's attack in a norm, with what is given in its place; a step left out follows a given epsilon or steps."""
    usual = _ATTACKS[dataset][norm]
    chosen = usual.epsilon if epsilon is None else epsilon
    count = usual.steps if steps is None else steps
    if step_size is None:
        step_size = usual.step_size if epsilon is None and steps is None else default_step_size(chosen, count)
    return Attack(norm, chosen, count, step_size)
