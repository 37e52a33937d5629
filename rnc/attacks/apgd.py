"""Auto-PGD (Croce and Hein 2020): PGD with momentum that halves a sample's step size when its steps gain too little."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rnc.attacks.iterative import IterativeAttack
from rnc.attacks.problem import AttackProblem, AttackScore, choose, per_sample

_ALPHA = 0.75  # the weight of the new step against the momentum
_RHO = 0.75  # the share of steps that must raise the loss


@dataclass(frozen=True)
class APGD(IterativeAttack):
    """Auto-PGD from random points of the ball; it chooses the step sizes itself.

    Each sample keeps the best point found so far, as ordered by `AttackScore`: a point that the network classifies as
    the attacker wants comes before one that it does not, then the higher loss wins. Hence the result is never worse for
    the attacker than the start. Auto-PGD makes one forward pass more than PGD, because it also evaluates the last point.
    """

    def iterates_and_kept_images(
        self, problem: AttackProblem, start: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Run algorithm 1 of the paper, for each sample with its own step size eta.

        A checkpoint takes effect before the next step, so that no step is computed and then discarded.
        """
        x = x_previous = start
        state = _State(start, *_evaluate(problem, start, is_last=self.steps == 0), eta=2 * self.ball.epsilon)
        checkpoint_steps, last_checkpoint = checkpoints(self.steps), 0
        for k in range(self.steps):
            yield x, state.kept
            gradient = state.gradient
            if k in checkpoint_steps:
                halved = state.checkpoint(k - last_checkpoint)
                x, gradient = choose(halved, state.x_max, x), choose(halved, state.gradient_at_x_max, gradient)
                last_checkpoint = k
            z = problem.move_within_ball(x, per_sample(state.eta) * self.ball.ascent_step(gradient, 1.0))
            x_next = z if k == 0 else problem.move_within_ball(x, _ALPHA * (z - x) + (1 - _ALPHA) * (x - x_previous))
            x, x_previous = x_next, x
            state.update(x, *_evaluate(problem, x, is_last=k + 1 == self.steps))
        yield x, state.kept


def checkpoints(steps: int) -> list[int]:
    """Return the steps w_1 < w_2 < ... after which step sizes are reviewed.

    They are ceil(p_j steps), with p_j from section 3 of the paper.
    """
    p_before, p, candidates = 0.0, 0.22, []
    while p <= 1:
        candidates.append(math.ceil(round(p * steps, 9)))
        p_before, p = p, p + max(p - p_before - 0.03, 0.06)
    return [step for step in dict.fromkeys(candidates) if 0 < step < steps]


def _evaluate(problem: AttackProblem, images: torch.Tensor, *, is_last: bool) -> tuple[AttackScore, torch.Tensor]:
    """Return the score of the points and the gradient there; the last points need no gradient and get zeros."""
    return (problem.score(images), torch.zeros_like(images)) if is_last else problem.score_and_gradient(images)


class _State:
    """The variables of algorithm 1 for each sample: x_max, f_max, the step size eta, and the count of increases of f."""

    def __init__(self, start: torch.Tensor, score: AttackScore, gradient: torch.Tensor, eta: float) -> None:
        self.kept, self._kept_score = start, score  # best by the decision first; x_max is best by the loss f alone
        self.x_max, self.gradient_at_x_max = start, gradient
        self.gradient = gradient
        self.eta = torch.full_like(score.loss, eta)
        self._f = self._f_max = self._f_max_at_checkpoint = score.loss
        self._increases = torch.zeros_like(score.success, dtype=torch.int64)
        self._halved = torch.zeros_like(score.success)

    def update(self, x: torch.Tensor, score: AttackScore, gradient: torch.Tensor) -> None:
        """Update the state with the points that a step led to."""
        better = score.better_than(self._kept_score)
        self.kept, self._kept_score = choose(better, x, self.kept), score.where(better, self._kept_score)
        f = score.loss
        higher = f > self._f_max
        self.x_max = choose(higher, x, self.x_max)
        self.gradient_at_x_max = choose(higher, gradient, self.gradient_at_x_max)
        self._f_max = torch.where(higher, f, self._f_max)
        self._increases = self._increases + (f > self._f)
        self.gradient, self._f = gradient, f

    def checkpoint(self, num_steps: int) -> torch.Tensor:
        """Halve eta for samples that meet condition 1 or 2 after `num_steps` steps since the last checkpoint; return which."""
        condition_1 = self._increases < _RHO * num_steps
        condition_2 = ~self._halved & (self._f_max == self._f_max_at_checkpoint)
        self._halved, self._f_max_at_checkpoint = condition_1 | condition_2, self._f_max
        self._increases = torch.zeros_like(self._increases)
        self.eta = torch.where(self._halved, self.eta / 2, self.eta)
        return self._halved
