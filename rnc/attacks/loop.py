"""The attack loop shared by all iterative attacks: run every restart and keep each sample's best result."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from rnc.attacks.norm_balls import Ball, amplitudes, check_fits
from rnc.attacks.objectives import Objective
from rnc.attacks.randomness import Noise

Logits = Callable[[torch.Tensor], torch.Tensor]
"""Function from images (N, c, h, w) in [0, 1] to logits (N, C)."""


@dataclass(frozen=True)
class AttackStep:
    """The state of an attack after `step` steps (0 is the start) of restart `restart` (from 0).

    `images` are the iterates of this restart. `kept` are the images that the attack would return if it stopped here:
    the best results of the finished restarts. During the first restart, they are the iterates (PGD) or the best points
    (APGD).
    """

    restart: int
    step: int
    images: torch.Tensor
    kept: torch.Tensor
    without_gradient: torch.Tensor | None = None
    """True (N,) for images where every gradient so far, over all restarts, was exactly 0: the attack cannot move them.

    It is None before the first gradient, and for perturbations that use no gradient. In float32 this happens when the
    cross entropy is exactly 0.
    """


@dataclass(frozen=True)
class Worth:
    """The worth of images (N, c, h, w) to the attacker: first a decision in the attacker's favour, then the objective."""

    won: torch.Tensor
    """(N,) true if the decision is wrong or, for a targeted attack, if it is the target."""
    value: torch.Tensor
    """(N,) the objective, signed so that higher is better for the attacker."""

    def above(self, other: "Worth") -> torch.Tensor:
        """Return for which samples (N,) this worth is greater than the other."""
        return (self.won & ~other.won) | ((self.won == other.won) & (self.value > other.value))

    def where(self, which: torch.Tensor, other: "Worth") -> "Worth":
        """Return this worth for samples in the mask `which` (N,), and the other's worth for the rest."""
        return Worth(torch.where(which, self.won, other.won), torch.where(which, self.value, other.value))


@dataclass
class Climb:
    """An attack problem: an objective of the network, to be raised around clean images (N, c, h, w) within a ball."""

    logits_fn: Logits
    clean: torch.Tensor
    labels: torch.Tensor
    ball: Ball
    objective: Objective
    targeted: bool = False
    """True if the objective is lowered, with labels that are targets."""
    without_gradient: torch.Tensor | None = field(default=None, init=False)
    """(N,) true for images where every gradient so far was exactly 0."""

    def gradient(self, images: torch.Tensor) -> torch.Tensor:
        """Return the direction (N, c, h, w) in which the attacker gains."""
        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            values = self.objective(self.logits_fn(images), self.labels)
            return self._noted(torch.autograd.grad(values.sum(), images)[0])

    def worth_and_gradient(self, images: torch.Tensor) -> tuple[Worth, torch.Tensor]:
        """Return the worth of images and the direction (N, c, h, w) in which the attacker gains, from one forward pass."""
        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            logits = self.logits_fn(images)
            values = self.objective(logits, self.labels)
            gradient = torch.autograd.grad(values.sum(), images)[0]
        return self._worth(logits.detach(), values.detach()), self._noted(gradient)

    def _noted(self, gradient: torch.Tensor) -> torch.Tensor:
        """Record the samples whose gradient is 0, and return the attacker's direction."""
        zero = amplitudes(gradient) == 0
        self.without_gradient = zero if self.without_gradient is None else self.without_gradient & zero
        return self._sign * gradient

    @torch.no_grad()
    def worth(self, images: torch.Tensor) -> Worth:
        """Return the worth of images to the attacker."""
        logits = self.logits_fn(images)
        return self._worth(logits, self.objective(logits, self.labels))

    def _worth(self, logits: torch.Tensor, values: torch.Tensor) -> Worth:
        return Worth((logits.argmax(1) == self.labels) == self.targeted, self._sign * values)

    def moved(self, images: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return the images after a step, confined to the ball and to [0, 1]."""
        return self.ball.confine(self.clean, images - self.clean + step)

    @property
    def _sign(self) -> float:
        return -1.0 if self.targeted else 1.0


Walk = Callable[[Climb, torch.Tensor], Iterator[tuple[torch.Tensor, torch.Tensor]]]
"""Function (climb, start) -> (iterates, images that the attacker would keep), at the start and after every step."""


def attack_loop(
    climb: Climb, walk: Walk, steps: int, restarts: int, start: torch.Tensor | None, noise: Noise
) -> Iterator[AttackStep]:
    """Yield every point of all restarts, restarts * (steps + 1) of them.

    The first restart begins at `start` if given; every other restart begins at a random point of the ball.
    """
    ended: tuple[torch.Tensor, Worth] | None = None
    for restart in range(restarts):
        given = start is not None and restart == 0
        first = (
            start.detach() - climb.clean if given and start is not None else climb.ball.random_start(climb.clean, noise)
        )
        for step, (images, best) in enumerate(walk(climb, climb.ball.begin(climb.clean, first))):
            if step == steps and restarts > 1:
                ended = _better(climb, best, ended)
            yield AttackStep(restart, step, images, best if ended is None else ended[0], climb.without_gradient)


def _better(
    climb: Climb, images: torch.Tensor, before: tuple[torch.Tensor, Worth] | None
) -> tuple[torch.Tensor, Worth]:
    """Return the better of two results for each sample, and its worth."""
    worth = climb.worth(images)
    if before is None:
        return images, worth
    kept, best = before
    better = worth.above(best)
    return choose(better, images, kept), worth.where(better, best)


def choose(which: torch.Tensor, these: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return these images (N, c, h, w) for samples in the mask `which` (N,), and the others for the rest."""
    return torch.where(which.view(-1, 1, 1, 1), these, others)


def check_attack(
    images: torch.Tensor,
    labels: torch.Tensor,
    ball: Ball,
    steps: int,
    restarts: int,
    start: torch.Tensor | None,
    check_pixels: bool,
) -> None:
    """Raise ValueError for arguments that no attack can use; `check_pixels` makes a GPU wait for the pixel values."""
    if images.dim() != 4 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"images must be (N, c, h, w) and labels (N,); got {tuple(images.shape)}, {tuple(labels.shape)}"
        )
    check_fits(ball, images)
    if start is not None and start.shape != images.shape:
        raise ValueError(f"start must have the shape of images, {tuple(images.shape)}; got {tuple(start.shape)}")
    if steps < 0 or restarts < 1:
        raise ValueError(f"steps >= 0 and restarts >= 1 are needed; got {steps}, {restarts}")
    if check_pixels and not torch.all((images >= 0) & (images <= 1)):
        raise ValueError("pixels must be in [0, 1]: pass images before normalisation, the model normalises inside")


def check_size(name: str, value: float) -> None:
    """Raise ValueError unless a size is finite and positive."""
    if not 0 < value < math.inf:
        raise ValueError(f"a finite {name} > 0 is needed; got {value}")
