"""The attacks that the checks for gradient masking need, run one after the other on the same images with the same seed."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from rnc import attacks
from rnc.conditions import Condition
from rnc.lab.engine import masking_checks
from rnc.lab.engine.loading import Subject
from rnc.lab.engine.rounds import Stopped, attack
from rnc.lab.engine.trajectory import Progress
from rnc.lab.requests import UNBOUNDED_STEPS, MaskingRequest
from rnc.lab.results import MaskingCheck, MaskingResult
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, TargetRule

NOISE_DRAWS = 20
_DESTROYED = 0.25
"""Share of the pixel range: a change of every pixel this large destroys most of the image, so attacks must gain from it."""


class _StoppedError(Exception):
    """Raised when a stop was requested."""


def check(subject: Subject, request: MaskingRequest, progress: Progress, stopped: Stopped) -> MaskingResult:
    """Run all checks for gradient masking; a stopped request returns those that were completed.

    A targeted attack is run untargeted, because the checks concern the network and count wrong predictions.
    """
    began = time.monotonic()
    condition = replace(request.condition, target_rule=TargetRule.UNTARGETED, target_class=None)
    run = _Run(subject, condition, request.seed, progress, stopped)
    checks: list[MaskingCheck] = []
    whole = True
    try:
        for found in run.checks():
            checks.append(found)
    except _StoppedError:
        whole = False
    return MaskingResult(
        condition=condition.slug,
        images=len(subject.images),
        stopped=not whole,
        as_recorded=subject.as_recorded,
        device=subject.device_name,
        checks=checks,
        seconds=time.monotonic() - began,
    )


class _Run:
    """The attacks of all checks, with a count of their rounds."""

    def __init__(self, subject: Subject, condition: Condition, seed: int, progress: Progress, stopped: Stopped) -> None:
        self._subject, self._base, self._seed = subject, condition, seed
        self._progress, self._stopped = progress, stopped
        assert condition.epsilon is not None and condition.norm is not None and condition.steps is not None
        # An l_2 ball needs a radius sqrt(d) times that of an l_inf ball to contain every image.
        reach = math.sqrt(subject.images[0].numel()) if condition.norm is Norm.L2 else 1.0
        epsilon = condition.epsilon
        larger = sorted({min(2 * epsilon, reach), min(max(4 * epsilon, _DESTROYED * reach), reach)})
        self._larger = [self._at(radius, condition.steps) for radius in larger if radius > epsilon]
        self._unbounded = self._at(reach, max(condition.steps, UNBOUNDED_STEPS))
        objective = AttackObjective.CROSS_ENTROPY if condition.objective is AttackObjective.KL else condition.objective
        self._once = Condition(ConditionKind.FGSM, condition.norm, epsilon, objective=objective)
        self._noise = Condition(ConditionKind.SIGN_NOISE, condition.norm, epsilon)
        every = [condition, *self._larger, self._unbounded, self._once]
        self._total, self._done = sum(map(attacks.num_iterations, every)) + NOISE_DRAWS, 0
        progress(0, self._total, None)

    def checks(self) -> Iterator[MaskingCheck]:
        """Yield the checks one after the other. Raises _StoppedError if a stop is requested."""
        clean = self._right(self._subject.images)
        path: list[torch.Tensor] = []
        right = self._right(self._attacked(self._base, self._seed, self._noting(path)))
        yield masking_checks.loss(torch.stack(path), self._base)
        yield masking_checks.one_step(self._right(self._attacked(self._once, self._seed)), right)
        noisy = torch.ones_like(right)
        for draw in range(NOISE_DRAWS):
            noisy &= self._right(self._attacked(self._noise, self._seed + draw))
        yield masking_checks.noise(noisy, right, NOISE_DRAWS)
        rights = [clean, right, *(self._right(self._attacked(larger, self._seed)) for larger in self._larger)]
        if self._larger:
            radii = [0.0, *(tried.epsilon or 0.0 for tried in (self._base, *self._larger))]
            yield masking_checks.radius(radii, rights, self._subject.num_classes)
        yield masking_checks.unbounded(
            self._right(self._attacked(self._unbounded, self._seed)), self._unbounded.epsilon or math.nan
        )

    def _at(self, radius: float, steps: int) -> Condition:
        """Return the base attack at another radius, with the same ratio of step size to radius.

        If it takes another number of steps, its step size is the default one.
        """
        base = self._base
        if base.step_size is None or steps != base.steps:
            return replace(base, epsilon=radius, steps=steps, step_size=None)
        return replace(base, epsilon=radius, step_size=base.step_size * radius / (base.epsilon or math.nan))

    def _attacked(
        self, condition: Condition, seed: int, note: Callable[[torch.Tensor], None] | None = None
    ) -> torch.Tensor:
        kept = self._subject.images
        for found in attack(self._subject, condition, seed):
            kept, self._done = found.kept, self._done + 1
            if note is not None and found.restart == 0:
                note(kept)
            self._progress(self._done, self._total, None)
            if self._stopped() and self._done < self._total:
                raise _StoppedError
        return kept

    def _noting(self, path: list[torch.Tensor]) -> Callable[[torch.Tensor], None]:
        """Return a function that appends to `path` the base attack's objective, (N,), on the images of a round."""
        objective = self._base.objective
        climbed = {
            AttackObjective.CROSS_ENTROPY: attacks.cross_entropy,
            AttackObjective.MARGIN: attacks.margin,
            AttackObjective.DLR: attacks.dlr,
        }.get(objective) or attacks.kl_from(self._logits(self._subject.images))
        return lambda images: path.append(climbed(self._logits(images), self._subject.labels))

    def _right(self, images: torch.Tensor) -> torch.Tensor:
        return self._logits(images).argmax(1) == self._subject.labels

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        return self._subject.features(images).logits.double()
