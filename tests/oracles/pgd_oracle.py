"""PGD from the paper's section 2, one sample at a time in float64 numpy; torch gives the gradient and nothing else."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Logits = Callable[[torch.Tensor], torch.Tensor]


def loss_gradient(logits_fn: Logits, image: Floats, label: int) -> Floats:
    """The gradient of -log softmax(logits)[label] in one image (c, h, w)."""
    x = torch.tensor(image[None], dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        z = logits_fn(x)[0]
        loss = torch.log(torch.exp(z - z.max()).sum()) + z.max() - z[label]
        (gradient,) = torch.autograd.grad(loss, x)
    return np.asarray(gradient[0].numpy(), dtype=np.float64)


def length(x: Floats) -> float:
    """The Euclidean norm over all pixels; `hypot` does not square numbers whose squares are no floats."""
    return math.hypot(*map(float, x.flat))


def project(delta: Floats, norm: str, epsilon: float) -> Floats:
    """The nearest point of the ball."""
    if norm == "linf":
        return np.minimum(np.maximum(delta, -epsilon), epsilon)
    return delta * (epsilon / length(delta)) if length(delta) > epsilon else delta


def step_along(gradient: Floats, norm: str, step_size: float) -> Floats:
    """alpha * sign(g), or alpha * g/norm(g), and 0 where g is.

    The paper adds 1e-10 to the norm, which shortens the steps on a network that is sure of its decisions to nothing:
    that would be the attack's failure and not the network's strength, so that ours takes the full step.
    """
    if norm == "linf" or not gradient.any():
        return step_size * np.sign(gradient)
    direction = gradient / np.abs(gradient).max()
    return step_size * (direction / length(direction))


def pgd_one(
    logits_fn: Logits,
    clean: Floats,
    label: int,
    norm: str,
    epsilon: float,
    steps: int,
    step_size: float,
    targeted: bool,
    start: Floats,
) -> Floats:
    """The attack on one image (c, h, w) from `start` (an image): untargeted ascends, targeted descends the loss."""
    x = np.clip(clean + project(start - clean, norm, epsilon), 0.0, 1.0)
    for _ in range(steps):
        gradient = loss_gradient(logits_fn, x, label)
        step = step_along(gradient, norm, step_size)
        x = x - step if targeted else x + step
        x = np.clip(clean + project(x - clean, norm, epsilon), 0.0, 1.0)
    return x


def pgd(
    logits_fn: Logits,
    images: Floats,
    labels: list[int],
    norm: str,
    epsilon: float,
    steps: int,
    step_size: float,
    targeted: bool,
    start: Floats,
) -> Floats:
    """`pgd_one` on each image of (N, c, h, w) alone."""
    ends = []
    for i in range(len(images)):
        end = pgd_one(logits_fn, images[i], labels[i], norm, epsilon, steps, step_size, targeted, start[i])
        ends.append(end)
    return np.stack(ends)
