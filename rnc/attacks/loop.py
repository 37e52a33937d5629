"""The one loop of this house: a walk from every start, and of several each sample's best end."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from rnc.attacks.norm_balls import Ball, amplitudes, check_fits
from rnc.attacks.objectives import Objective
from rnc.attacks.randomness import Noise

Logits = Callable[[torch.Tensor], torch.Tensor]
"""Images (N, c, h, w) in [0, 1] -> logits (N, C)."""


@dataclass(frozen=True)
class AttackStep:
    """Where the attack stands: after `step` steps (0 is the start) of restart `restart` (from 0).

    `images` are this restart's iterates. `kept` are what the attacker would hand over if stopped here: the best ends
    of the finished restarts, or what the first one has while it is under way: PGD its iterates, APGD its best points.
    """

    restart: int
    step: int
    images: torch.Tensor
    kept: torch.Tensor
    without_gradient: torch.Tensor | None = None
    """(N,) the images at which every gradient so far, of all restarts, was exactly 0: the attack cannot move them.

    None before the first gradient, and for what follows none. In float32 it happens at cross entropies that are 0.
    """


@dataclass(frozen=True)
class Worth:
    """What images (N, c, h, w) are worth to the attacker: first that the network decides his way, then the objective."""

    won: torch.Tensor
    """(N,): whether the decision is wrong, or, targeted, the target."""
    value: torch.Tensor
    """(N,): the objective; the more, the better for him."""

    def above(self, other: "Worth") -> torch.Tensor:
        """Which samples (N,) are worth more than in another's place."""
        return (self.won & ~other.won) | ((self.won == other.won) & (self.value > other.value))

    def where(self, which: torch.Tensor, other: "Worth") -> "Worth":
        """These where `which` (N,), and the other's elsewhere."""
        return Worth(torch.where(which, self.won, other.won), torch.where(which, self.value, other.value))


@dataclass
class Climb:
    """What is climbed, and where: an objective of the network around clean images (N, c, h, w), within a ball."""

    logits_fn: Logits
    clean: torch.Tensor
    labels: torch.Tensor
    ball: Ball
    objective: Objective
    targeted: bool = False
    """Whether the objective is descended, to labels that are targets."""
    without_gradient: torch.Tensor | None = field(default=None, init=False)
    """(N,) where every gradient so far was exactly 0."""

    def gradient(self, images: torch.Tensor) -> torch.Tensor:
        """The direction (N, c, h, w) in which the attacker gains."""
        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            values = self.objective(self.logits_fn(images), self.labels)
            return self._noted(torch.autograd.grad(values.sum(), images)[0])

    def worth_and_gradient(self, images: torch.Tensor) -> tuple[Worth, torch.Tensor]:
        """What images are worth, and the direction (N, c, h, w) in which the attacker gains; one pass for both."""
        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            logits = self.logits_fn(images)
            values = self.objective(logits, self.labels)
            gradient = torch.autograd.grad(values.sum(), images)[0]
        return self._worth(logits.detach(), values.detach()), self._noted(gradient)

    def _noted(self, gradient: torch.Tensor) -> torch.Tensor:
        """The attacker's direction, its zeros noted."""
        zero = amplitudes(gradient) == 0
        self.without_gradient = zero if self.without_gradient is None else self.without_gradient & zero
        return self._sign * gradient

    @torch.no_grad()
    def worth(self, images: torch.Tensor) -> Worth:
        """What images are worth to the attacker."""
        logits = self.logits_fn(images)
        return self._worth(logits, self.objective(logits, self.labels))

    def _worth(self, logits: torch.Tensor, values: torch.Tensor) -> Worth:
        return Worth((logits.argmax(1) == self.labels) == self.targeted, self._sign * values)

    def moved(self, images: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """The image that a step leads to, in the ball and in [0, 1]."""
        return self.ball.confine(self.clean, images - self.clean + step)

    @property
    def _sign(self) -> float:
        return -1.0 if self.targeted else 1.0


Walk = Callable[[Climb, torch.Tensor], Iterator[tuple[torch.Tensor, torch.Tensor]]]
"""(climb, start) -> (iterates, what the attacker would keep) at the start and after every step."""


def attack_loop(
    climb: Climb, walk: Walk, steps: int, restarts: int, start: torch.Tensor | None, noise: Noise
) -> Iterator[AttackStep]:
    """Yield every point of the walks from all starts, restarts * (steps + 1) of them.

    The first start is `start` where one is given; every other is a random point of the ball.
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
    """The better of two ends for each sample, and what it is worth."""
    worth = climb.worth(images)
    if before is None:
        return images, worth
    kept, best = before
    better = worth.above(best)
    return choose(better, images, kept), worth.where(better, best)


def choose(which: torch.Tensor, these: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """These images (N, c, h, w) where `which` (N,), and the others elsewhere."""
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
    """Refuse what no attack can work with; looking at the pixels makes a GPU wait. Raises ValueError."""
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
    """Refuse a size that is none. Raises ValueError."""
    if not 0 < value < math.inf:
        raise ValueError(f"a finite {name} > 0 is needed; got {value}")
