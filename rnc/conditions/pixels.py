"""The notation of perturbation sizes.

Tested by tests/rnc/conditions/test_condition.py.
"""

import math
from fractions import Fraction


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
