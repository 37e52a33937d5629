"""Checks that sizes fit pixels in [0, 1]; they reject numbers that were meant for pixels from 0 to 255.

They run wherever users enter a size and wherever an attack is made. Conditions read from a store are not rejected: they
can be displayed, but their images cannot be made again.
"""

import math

from rnc.conditions.condition import Condition
from rnc.conditions.pixels import default_step_size, format_pixels
from rnc.vocabulary import Norm

_MOST_NUMBERS = 3 * 1024 * 1024
"""The assumed number of values in an image if its shape is unknown."""
_ROUNDING = 1 + 1e-6


def largest_epsilon(norm: Norm, numbers: int | None = None) -> float:
    """Return the distance between a black and a white image, which no perturbation can exceed.

    `numbers` is the size of an image, c * h * w; if unknown, a large image is assumed.
    """
    return 1.0 if norm is Norm.LINF else math.sqrt(_MOST_NUMBERS if numbers is None else numbers)


def check_epsilon(norm: Norm, epsilon: float, numbers: int | None = None) -> None:
    """Raise ValueError, with the likely correction, for an epsilon that no perturbation can have; see `largest_epsilon`."""
    _check("epsilon", norm, epsilon, largest_epsilon(norm, numbers))


def check_size(condition: Condition, numbers: int | None = None) -> None:
    """Raise ValueError if a condition's epsilon does not fit images with `numbers` values."""
    if condition.norm is not None and condition.epsilon is not None:
        check_epsilon(condition.norm, condition.epsilon, numbers)


def check_step_size(condition: Condition, numbers: int | None = None) -> None:
    """Raise ValueError for a step size larger than any image allows. The default step size of any epsilon is accepted.

    It runs when a user enters a step size; step sizes that a sweep scales up with epsilon are not checked.
    """
    if condition.norm is not None and condition.epsilon is not None and condition.step_size is not None:
        largest = max(largest_epsilon(condition.norm, numbers), default_step_size(condition.epsilon, 1))
        _check("step size", condition.norm, condition.step_size, largest)


def check_pixel_statistic(name: str, value: float) -> None:
    """Raise ValueError for a mean or a standard deviation that pixels in [0, 1] cannot have."""
    if value > 1:
        raise ValueError(
            f"{name} {value:.10g} is more than the whole range of pixels, [0, 1]; {_suggestion(value, 1.0)}"
        )


def _check(name: str, norm: Norm, value: float, largest: float) -> None:
    if value <= largest * _ROUNDING:
        return
    what = "the whole range of pixels, [0, 1]"
    if norm is Norm.L2:
        what = f"the l2 distance of a black image from a white one, {largest:.4g}, with pixels in [0, 1]"
    raise ValueError(f"{name} {value:.10g} is more than {what}; {_suggestion(value, largest)}")


def _suggestion(value: float, largest: float) -> str:
    scaled = value / 255
    if scaled > largest:
        return "sizes are in pixels of [0, 1], such as 8/255 or 0.03"
    return f"did you mean {format_pixels(scaled)}?"
