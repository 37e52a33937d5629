"""The problem that a gradient attack solves: raise a loss of a network around clean images, within a norm ball.

Tested by tests/rnc/attacks/test_steps.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from rnc.attacks.losses import Loss
from rnc.attacks.norm_balls import Ball, amplitudes

Logits = Callable[[torch.Tensor], torch.Tensor]
"""Function from images (N, c, h, w) in [0, 1] to logits (N, C)."""


@dataclass(frozen=True)
class AttackScore:
    """The attacker's success on images (N, c, h, w): first the network's decision, then the loss."""

    success: torch.Tensor
    """(N,) true if the decision is wrong or, for a targeted attack, if it is the target."""
    loss: torch.Tensor
    """(N,) the loss, signed so that higher is better for the attacker."""

    def better_than(self, other: "AttackScore") -> torch.Tensor:
        """Return for which samples (N,) this score is better for the attacker than the other."""
        return (self.success & ~other.success) | ((self.success == other.success) & (self.loss > other.loss))

    def where(self, mask: torch.Tensor, other: "AttackScore") -> "AttackScore":
        """Return this score for samples in the mask (N,), and the other score for the rest."""
        return AttackScore(torch.where(mask, self.success, other.success), torch.where(mask, self.loss, other.loss))


@dataclass
class AttackProblem:
    """A loss of a network, to be raised (or lowered, for a targeted attack) around clean images within a ball."""

    logits_fn: Logits
    clean: torch.Tensor
    labels: torch.Tensor
    ball: Ball
    loss: Loss
    targeted: bool = False
    """True if the loss is lowered, with labels that are targets."""
    without_gradient: torch.Tensor | None = field(default=None, init=False)
    """(N,) true for images where every gradient so far was exactly 0."""

    def gradient(self, images: torch.Tensor) -> torch.Tensor:
        """Return the direction (N, c, h, w) in which the attacker gains."""
        return self._forward_and_backward(images)[2]

    def score_and_gradient(self, images: torch.Tensor) -> tuple[AttackScore, torch.Tensor]:
        """Return the score of images and the direction (N, c, h, w) in which the attacker gains, from one forward pass."""
        logits, losses, gradient = self._forward_and_backward(images)
        return self._score(logits.detach(), losses.detach()), gradient

    @torch.no_grad()
    def score(self, images: torch.Tensor) -> AttackScore:
        """Return the score of images."""
        logits = self.logits_fn(images)
        return self._score(logits, self.loss(logits, self.labels))

    def move_within_ball(self, images: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Return the images moved by delta, confined to the ball and to [0, 1]."""
        return self.ball.confined_images(self.clean, images - self.clean + delta)

    def _forward_and_backward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits, the losses, and the attacker's direction; record the samples whose gradient is 0."""
        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            logits = self.logits_fn(images)
            losses = self.loss(logits, self.labels)
            gradient = torch.autograd.grad(losses.sum(), images)[0]
        zero = amplitudes(gradient) == 0
        self.without_gradient = zero if self.without_gradient is None else self.without_gradient & zero
        return logits, losses, self._sign * gradient

    def _score(self, logits: torch.Tensor, losses: torch.Tensor) -> AttackScore:
        return AttackScore((logits.argmax(1) == self.labels) == self.targeted, self._sign * losses)

    @property
    def _sign(self) -> float:
        return -1.0 if self.targeted else 1.0


def choose(mask: torch.Tensor, these: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return these images (N, c, h, w) for samples in the mask (N,), and the others for the rest."""
    return torch.where(per_sample(mask), these, others)


def per_sample(values: torch.Tensor) -> torch.Tensor:
    """Return values (N,) in a shape that broadcasts over images (N, c, h, w)."""
    return values.view(-1, 1, 1, 1)
