"""Sizes of perturbations: their notation, and the largest ones that pixels in [0, 1] allow.

The checks reject numbers that were meant for pixels from 0 to 255.
"""

import math
from fractions import Fraction

from rnc.vocabulary import Norm

_MOST_NUMBERS = 3 * 1024 * 1024
"""The assumed number of values in an image if its shape is unknown."""
_ROUNDING = 1 + 1e-6


def format_pixels(value: float) -> str:
    """Format a perturbation size in the usual way: `8/255` for a multiple of 1/255, else the shortest decimal."""
    value = float(f"{value:.10g}")
    scaled = value * 255
    if math.isfinite(scaled) and math.isclose(scaled, round(scaled), rel_tol=1e-9) and round(scaled) % 255:
        return f"{round(scaled)}/255"
    return f"{value:.10g}"


def parse_pixels(text: str) -> float:
    """Parse a perturbation size, `8/255` or `0.1`. Raises ValueError with the accepted formats."""
    try:
        return float(Fraction(text.strip())) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r} is not a number; write a decimal such as 0.1 or a fraction such as 8/255") from None


def default_step_size(epsilon: float, steps: int) -> float:
    """Return the default PGD step size, 2.5 epsilon / steps, which is the paper's 2/255 at 8/255 in 10 steps."""
    return 2.5 * epsilon / max(steps, 1)


def is_default_step_size(step_size: float | None, epsilon: float | None, steps: int | None) -> bool:
    """Return whether a step size is the default of an attack, up to rounding; False if one of the arguments is None."""
    if step_size is None or epsilon is None or steps is None:
        return False
    return math.isclose(step_size, default_step_size(epsilon, steps), rel_tol=1e-9)


def rounded_as_written(name: str, value: float | None) -> float:
    """Return the size rounded as in its text, so that a slug reads back to the same condition.

    Raises ValueError unless the size is finite and positive.
    """
    if value is None or not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be a finite number > 0, got {value}")
    return parse_pixels(format_pixels(value))


def largest_epsilon(norm: Norm, numbers: int | None = None) -> float:
    """Return the distance between a black and a white image, which no perturbation can exceed.

    `numbers` is the size of an image, c * h * w; if unknown, a large image is assumed.
    """
    return 1.0 if norm is Norm.LINF else math.sqrt(_MOST_NUMBERS if numbers is None else numbers)


def check_epsilon(norm: Norm, epsilon: float, numbers: int | None = None) -> None:
    """Raise ValueError, with the likely correction, for an epsilon that no perturbation can have; see `largest_epsilon`."""
    _check("epsilon", norm, epsilon, largest_epsilon(norm, numbers))


def check_step_size(norm: Norm, epsilon: float, step_size: float, numbers: int | None = None) -> None:
    """Raise ValueError for a step size larger than any image allows. The default step size of any epsilon is accepted."""
    _check("step size", norm, step_size, max(largest_epsilon(norm, numbers), default_step_size(epsilon, 1)))


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
