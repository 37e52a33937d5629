"""Objectives, MI-FGSM and Auto-PGD from their papers, one sample at a time; torch gives gradients and nothing else."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tests.oracles.pgd_oracle import Logits, length, project, step_along

Floats = NDArray[np.float64]
Score = Callable[[torch.Tensor], torch.Tensor]
"""Function (logits (C,) of one sample) -> a number; the higher, the better for the attacker."""


def others(z: torch.Tensor, label: int) -> list[torch.Tensor]:
    """The logits of the other classes."""
    return [z[i] for i in range(len(z)) if i != label]


def highest(values: list[torch.Tensor]) -> torch.Tensor:
    """The largest of some numbers."""
    return sorted(values, key=_number)[-1]


def _number(value: torch.Tensor) -> float:
    return float(value.detach())


def objective(name: str, z: torch.Tensor, label: int, target: int | None, clean: torch.Tensor) -> torch.Tensor:
    """The attacker's score: it rises with the loss of the label; with a target, it falls with the loss of the target."""
    ranked = sorted(z, key=_number, reverse=True)
    if name == "kl":
        p, q = clean.softmax(0), z.softmax(0)
        return sum(((p[i] * (p[i] / q[i]).log()) for i in range(len(z))), torch.zeros((), dtype=z.dtype))
    if target is None:
        ahead = highest(others(z, label)) - z[label]
        scores = {
            "cross_entropy": lambda: -z.softmax(0)[label].log(),
            "margin": lambda: ahead,
            "dlr": lambda: ahead / (ranked[0] - ranked[2]),
        }
        return scores[name]()
    if name == "cross_entropy":
        return z.softmax(0)[target].log()
    if name == "margin":
        return z[target] - highest(others(z, target))
    z_y = z[label] if label != target else highest(others(z, target))
    return (z[target] - z_y) / (ranked[0] - (ranked[2] + ranked[3]) / 2)


def rank(value: float, z: torch.Tensor, label: int, target: int | None) -> tuple[bool, float]:
    """The sort key of the attacker's preference: first a decision in the attacker's favour, then the loss."""
    decision = int(np.argmax(z.detach().numpy()))
    return (decision != label if target is None else decision == target), value


def score_and_gradient(logits_fn: Logits, image: Floats, score: Score) -> tuple[float, Floats]:
    """The score at an image (c, h, w), and its gradient."""
    x = torch.tensor(image[None], dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        value = score(logits_fn(x)[0])
        (gradient,) = torch.autograd.grad(value, x)
    return _number(value), np.asarray(gradient[0].numpy(), dtype=np.float64)


def confined(clean: Floats, image: Floats, norm: str, epsilon: float) -> Floats:
    """The image brought into the ball, then into [0, 1]."""
    return np.clip(clean + project(image - clean, norm, epsilon), 0.0, 1.0)


def mi_fgsm_one(
    logits_fn: Logits, clean: Floats, score: Score, norm: str, epsilon: float, sizes: list[float], momentum: float
) -> Floats:
    """Dong et al. 2018, algorithm 1, with a size for each step: it starts at the clean image."""
    x, gathered = clean, np.zeros_like(clean)
    for size in sizes:
        gradient = score_and_gradient(logits_fn, x, score)[1]
        unit = gradient / np.abs(gradient).max()
        gathered = momentum * gathered + unit / np.abs(unit).sum()
        x = confined(clean, x + step_along(gathered, norm, size), norm, epsilon)
    return x


def checkpoints(steps: int) -> list[int]:
    """w_0 = 0, w_1, ... of Croce and Hein 2020, section 3, in whole hundredths, which floats do not round."""
    shares = [0, 22]
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    return [-(-p * steps // 100) for p in shares if p <= 100]


def apgd_one(
    logits_fn: Logits, clean: Floats, score: Score, norm: str, epsilon: float, steps: int, start: Floats
) -> tuple[list[Floats], list[float], list[float]]:
    """Croce and Hein 2020, algorithm 1: the points x(0), x(1), ..., the score of each, and the step size after each."""
    x = confined(clean, start, norm, epsilon)
    value, gradient = score_and_gradient(logits_fn, x, score)
    points, values, etas, eta = [x], [value], [2 * epsilon], 2 * epsilon
    reviews, last, best_then = checkpoints(steps), 0, value
    halved, previous = False, x
    for k in range(steps):
        if k in reviews[1:] and k > last:
            gains = sum(values[i + 1] > values[i] for i in range(last, k))
            first, second = gains < 0.75 * (k - last), not halved and max(values) == best_then
            halved, best_then, last = first or second, max(values), k
            if halved:
                eta /= 2
                x = points[int(np.argmax(values))]
                gradient = score_and_gradient(logits_fn, x, score)[1]
        z = confined(clean, x + step_along(gradient, norm, eta), norm, epsilon)
        ahead = z if k == 0 else confined(clean, x + 0.75 * (z - x) + 0.25 * (x - previous), norm, epsilon)
        value, gradient = score_and_gradient(logits_fn, ahead, score)
        previous, x = x, ahead  # (a point that was gone back to stands in the place of the one it replaced)
        points.append(x)
        values.append(value)
        etas.append(eta)
    return points, values, etas


def linear_optimum(image: Floats, weight: Floats, norm: str, epsilon: float) -> Floats:
    """Where weight . x is least in the ball: at a corner (l_inf, also where [0, 1] cuts it off), or on the sphere (l_2)."""
    if norm == "linf":
        return np.clip(image - epsilon * np.sign(weight), 0.0, 1.0)
    found = image - epsilon * weight / length(weight)
    assert found.min() >= 0 and found.max() <= 1, "the closed form knows nothing of [0, 1]"
    return found


def share(schedule: str, step: int, steps: int) -> float:
    """Return the fraction of the step size that a schedule leaves at a step."""
    return {"constant": 1.0, "linear": 1 - step / steps, "cosine": math.cos(math.pi * step / (2 * steps)) ** 2}[
        schedule
    ]
