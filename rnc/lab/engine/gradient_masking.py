"""The attacks that the checks for gradient masking need, run one after the other on the same images with the same seed."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from rnc import attacks
from rnc.conditions import Condition, format_pixels
from rnc.lab.engine import masking_checks
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.engine.stepwise_attack import ReportProgress, StepwiseAttack, Stopped
from rnc.lab.gradient_masking import UNBOUNDED_STEPS, MaskingCheck, MaskingRequest, MaskingResult
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, TargetRule

NOISE_DRAWS = 20
_DESTROYED = 0.25
"""Share of the pixel range: so large a change of every pixel destroys most of an image, and attacks must succeed more often."""


class _StoppedError(Exception):
    """Raised when a stop was requested."""


def check_gradient_masking(
    inputs: AttackInputs, request: MaskingRequest, progress: ReportProgress, stopped: Stopped
) -> MaskingResult:
    """Run all checks for gradient masking; a stopped request returns those that were completed.

    A targeted attack is run untargeted, because the checks concern the network and count wrong predictions.
    """
    began = time.monotonic()
    condition = replace(request.condition, target_rule=TargetRule.UNTARGETED, target_class=None)
    run = _Attacks(inputs, condition, request.seed, progress, stopped)
    checks: list[MaskingCheck] = []
    is_complete = True
    try:
        for check in run.checks():
            checks.append(check)
    except _StoppedError:
        is_complete = False
    return MaskingResult(
        condition=condition.slug,
        images=len(inputs.images),
        stopped=not is_complete,
        as_recorded=inputs.as_recorded,
        device=inputs.device_name,
        checks=checks,
        seconds=time.monotonic() - began,
    )


class _Attacks:
    """The attacks of all checks, with a count of their rounds."""

    def __init__(
        self, inputs: AttackInputs, condition: Condition, seed: int, progress: ReportProgress, stopped: Stopped
    ) -> None:
        self._inputs, self._base, self._seed = inputs, condition, seed
        self._progress, self._stopped = progress, stopped
        assert condition.epsilon is not None and condition.norm is not None and condition.steps is not None
        # An l_2 ball needs a radius sqrt(d) times that of an l_inf ball to contain every image.
        reach = math.sqrt(inputs.images[0].numel()) if condition.norm is Norm.L2 else 1.0
        epsilon = condition.epsilon
        larger = sorted({min(2 * epsilon, reach), min(max(4 * epsilon, _DESTROYED * reach), reach)})
        self._epsilon = format_pixels(epsilon)
        self._larger = {format_pixels(r): self._at(r, condition.steps) for r in larger if r > epsilon}
        self._unbounded = self._at(reach, max(condition.steps, UNBOUNDED_STEPS))
        objective = AttackObjective.CROSS_ENTROPY if condition.objective is AttackObjective.KL else condition.objective
        self._one_step = Condition(ConditionKind.FGSM, condition.norm, epsilon, objective=objective)
        self._noise = Condition(ConditionKind.SIGN_NOISE, condition.norm, epsilon)
        all_attacks = [condition, *self._larger.values(), self._unbounded, self._one_step]
        self._total, self._done = sum(attack.num_points_over_restarts for attack in all_attacks) + NOISE_DRAWS, 0
        progress(0, self._total, None)

    def checks(self) -> Iterator[MaskingCheck]:
        """Yield the checks one after the other. Raises _StoppedError if a stop is requested."""
        clean = self._correct(self._inputs.images)
        path: list[torch.Tensor] = []
        correct = self._correct(self._attacked(self._base, self._seed, self._recording(path)))
        yield masking_checks.loss(torch.stack(path), str(self._base.objective).replace("_", " "))
        yield masking_checks.one_step(self._correct(self._attacked(self._one_step, self._seed)), correct)
        correct_under_noise = torch.ones_like(correct)
        for draw in range(NOISE_DRAWS):
            correct_under_noise &= self._correct(self._attacked(self._noise, self._seed + draw))
        yield masking_checks.noise(correct_under_noise, correct, NOISE_DRAWS)
        if self._larger:
            correct_by_epsilon = {"0": clean, self._epsilon: correct}
            for epsilon, attack in self._larger.items():
                correct_by_epsilon[epsilon] = self._correct(self._attacked(attack, self._seed))
            yield masking_checks.radius(correct_by_epsilon, self._inputs.num_classes)
        yield masking_checks.unbounded(
            self._correct(self._attacked(self._unbounded, self._seed)), self._unbounded.epsilon or math.nan
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
        self, condition: Condition, seed: int, record: Callable[[torch.Tensor], None] | None = None
    ) -> torch.Tensor:
        images = self._inputs.images
        for current in StepwiseAttack(self._inputs, condition, seed).rounds():
            images = current.images
            self._done += 1
            if record is not None and current.restart == 0:
                record(images)
            self._progress(self._done, self._total, None)
            if self._stopped() and self._done < self._total:
                raise _StoppedError
        return images

    def _recording(self, path: list[torch.Tensor]) -> Callable[[torch.Tensor], None]:
        """Return a function that appends the base attack's objective on the images of a round, (N,), to `path`."""
        objective = self._base.objective
        loss = {
            AttackObjective.CROSS_ENTROPY: attacks.cross_entropy,
            AttackObjective.MARGIN: attacks.margin,
            AttackObjective.DLR: attacks.dlr,
        }.get(objective) or attacks.kl_from(self._logits(self._inputs.images))
        return lambda images: path.append(loss(self._logits(images), self._inputs.labels))

    def _correct(self, images: torch.Tensor) -> torch.Tensor:
        return self._logits(images).argmax(1) == self._inputs.labels

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        return self._inputs.features(images).logits.double()
