"""The attack of a run: the default of its data set, with the values of a config in place of the defaults.

Tested by tests/rnc/probe/test_measure_epoch.py.
"""

from rnc.conditions import UsualAttack as Attack
from rnc.conditions import default_step_size, usual_attack
from rnc.vocabulary import Norm

__all__ = ["Attack", "attack"]


def attack(dataset: str, norm: Norm, epsilon: float | None, steps: int | None, step_size: float | None) -> Attack:
    """Return the data set's attack in a norm, with the given values instead of the defaults.

    If epsilon or steps are given but the step size is not, the step size is `default_step_size` of them.
    """
    default = usual_attack(dataset, norm)
    chosen = default.epsilon if epsilon is None else epsilon
    count = default.steps if steps is None else steps
    if step_size is None:
        step_size = default.step_size if epsilon is None and steps is None else default_step_size(chosen, count)
    return Attack(norm, chosen, count, step_size)
