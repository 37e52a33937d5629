"""A condition: the perturbation of images before they are measured, and the label used to measure them."""

import math
from dataclasses import dataclass

from rnc.conditions.naming import label_of, read_slug, slug_of
from rnc.conditions.pixels import (
    check_epsilon,
    check_step_size,
    default_step_size,
    is_default_step_size,
    rounded_as_written,
)
from rnc.vocabulary import AttackObjective, ConditionKind, LabelRule, Norm, StepSchedule, TargetRule

_WITHOUT_SIZE = (ConditionKind.CLEAN, ConditionKind.AS_TRAINED)
_ONE_STEP = {"target_rule", "target_class", "objective"}
_OPTIONS = {  # options of each kind, besides norm and epsilon
    ConditionKind.PGD: {*_ONE_STEP, "steps", "step_size", "momentum", "restarts", "schedule"},
    ConditionKind.APGD: {*_ONE_STEP, "steps", "restarts"},
    ConditionKind.FGSM: _ONE_STEP,
}
_WHY = {
    ConditionKind.APGD: "apgd chooses its steps and has its own momentum; choose pgd to set them",
    ConditionKind.FGSM: "fgsm is one step of epsilon from the clean image; choose pgd with more steps or starts",
}


@dataclass(frozen=True)
class Condition:
    """The perturbation of images before they are measured, and the label used to measure them. Its `slug` is its name.

    `epsilon` and `step_size` are in pixel units ([0, 1] images); the default step size of PGD is 2.5 epsilon / steps.
    Raises ValueError, with a remedy, for a size that is not positive or a field that the kind does not have.
    """

    kind: ConditionKind
    norm: Norm | None = None
    epsilon: float | None = None
    steps: int | None = None
    step_size: float | None = None
    target_rule: TargetRule | None = None
    relabelled: bool = False
    """True if the features are measured under the labels that the network predicts."""
    objective: AttackObjective = AttackObjective.CROSS_ENTROPY
    momentum: float = 0.0
    """The decay factor mu of MI-FGSM (Dong et al. 2018), which then starts at the clean image; 0 means no momentum."""
    restarts: int = 1
    """The number of restarts; every sample keeps its best result."""
    schedule: StepSchedule = StepSchedule.CONSTANT
    target_class: int | None = None
    """The class to attack towards if the target rule is `class`."""

    def __post_init__(self) -> None:
        """Reject impossible values, fill in the defaults, and round sizes to the digits shown in the slug."""
        if self.kind in _WITHOUT_SIZE and (self.norm is not None or self.epsilon is not None):
            raise ValueError(f"the {self.kind} condition has no norm or epsilon; clean images have no size")
        self._check_absent()
        if self.kind in _WITHOUT_SIZE:
            return
        if self.norm is None:
            raise ValueError(f"a {self.kind} condition needs a norm: linf or l2")
        object.__setattr__(self, "epsilon", rounded_as_written("epsilon", self.epsilon))
        if self.is_attack:
            object.__setattr__(self, "target_rule", self.target_rule or TargetRule.UNTARGETED)
            self._check_target()
            self._complete_steps()

    def _check_absent(self) -> None:
        """Raise ValueError if a field that the kind does not use differs from its default."""
        allowed = _OPTIONS.get(self.kind, set())
        for name in sorted(_OPTIONS[ConditionKind.PGD] - allowed):
            if getattr(self, name) != getattr(type(self), name):
                why = _WHY.get(self.kind, "neither clean images nor noise have steps, a target or an objective")
                raise ValueError(f"a {self.kind} condition has no {name.replace('_', ' ')}: {why}")

    def _check_target(self) -> None:
        if (self.target_rule is TargetRule.CLASS) is (self.target_class is None):
            raise ValueError(
                "a target class belongs to the target rule class, and that rule needs one: target_rule class, target_class 3"
            )
        if self.target_class is not None and self.target_class < 0:
            raise ValueError(f"target class must be a class number >= 0, got {self.target_class}")
        if self.objective is not AttackObjective.KL:
            return
        if self.is_targeted:
            raise ValueError("kl uses no labels, so it has no target; choose cross_entropy, margin or dlr")
        if self.starts_clean:
            raise ValueError(
                "kl has no gradient at the clean image, where fgsm and an attack with momentum start; choose pgd "
                "without momentum, or another objective"
            )

    def _complete_steps(self) -> None:
        if self.kind is ConditionKind.FGSM:
            return
        if self.steps is None or self.steps < 0:
            raise ValueError(f"steps must be a whole number >= 0, got {self.steps}")
        if self.restarts < 1:
            raise ValueError(f"restarts must be a whole number >= 1, got {self.restarts}")
        if not (self.momentum >= 0 and math.isfinite(self.momentum)):
            raise ValueError(f"momentum must be a finite number >= 0, 0 for none, got {self.momentum}")
        object.__setattr__(self, "momentum", float(f"{self.momentum:.10g}"))
        if self.kind is ConditionKind.PGD:
            object.__setattr__(self, "step_size", self._rounded_step_size())

    def _rounded_step_size(self) -> float:
        """Return the step size as written in the slug, which omits the default one."""
        assert self.epsilon is not None and self.steps is not None
        usual = default_step_size(self.epsilon, self.steps)
        step_size = rounded_as_written("step size", usual if self.step_size is None else self.step_size)
        return (
            rounded_as_written("step size", usual)
            if is_default_step_size(step_size, self.epsilon, self.steps)
            else step_size
        )

    def check_size(self, numbers: int | None = None) -> None:
        """Raise ValueError if epsilon does not fit images with `numbers` values (c * h * w); if unknown, large images.

        It runs wherever users enter a size and wherever an attack is made, and not at creation: a condition that is read
        from a store can be displayed, even if its images cannot be made again.
        """
        if self.norm is not None and self.epsilon is not None:
            check_epsilon(self.norm, self.epsilon, numbers)

    def check_step_size(self, numbers: int | None = None) -> None:
        """Raise ValueError for a step size larger than any image allows; see `check_size`.

        It runs when a user enters a step size; step sizes that a sweep scales up with epsilon are not checked.
        """
        if self.norm is not None and self.epsilon is not None and self.step_size is not None:
            check_step_size(self.norm, self.epsilon, self.step_size, numbers)

    @property
    def has_default_step_size(self) -> bool:
        """Return whether the step size is the default, 2.5 epsilon / steps; False if there is no step size."""
        return is_default_step_size(self.step_size, self.epsilon, self.steps)

    @property
    def is_attack(self) -> bool:
        """Return whether the images are made with gradients of the network."""
        return self.kind in _OPTIONS

    @property
    def is_targeted(self) -> bool:
        """Return whether the attack moves samples towards a class instead of away from their own."""
        return self.target_rule not in (None, TargetRule.UNTARGETED)

    @property
    def num_points_over_restarts(self) -> int:
        """Return the number of points of an attack: the start and the steps of every restart; 1 for clean images and noise."""
        steps = 1 if self.kind is ConditionKind.FGSM else self.steps or 0
        return self.restarts * (steps + 1)

    @property
    def starts_clean(self) -> bool:
        """Return whether the first start of an attack is the clean image; other starts are random points of the ball."""
        return self.kind is ConditionKind.FGSM or self.momentum > 0

    @property
    def label_rule(self) -> LabelRule:
        """Return the rule for the measured label: predicted if relabelled, else target (paper, section 3) or true label."""
        if self.relabelled:
            return LabelRule.PREDICTED
        return LabelRule.TARGET if self.is_targeted else LabelRule.TRUE

    @property
    def slug(self) -> str:
        """Return the id of this condition: `clean`, `pgd-linf-8_255-10`, `pgd-l2-0.5-10-step15_255-next`, `gaussian-linf-0.1`."""
        return slug_of(self)

    @classmethod
    def from_slug(cls, slug: str) -> "Condition":
        """Return the condition of a slug. Raises ValueError, with examples, if the text is not a slug."""
        try:
            return cls(**read_slug(slug))
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"{slug!r} is not a condition ({error}); examples: clean, pgd-linf-8_255-10, pgd-l2-0.5-10-next, "
                "apgd-linf-8_255-50-dlr, fgsm-linf-8_255, gaussian-linf-0.1"
            ) from None

    @property
    def label(self) -> str:
        """Return the condition in common notation: `PGD-10, ℓ∞ ε = 8/255`."""
        return label_of(self)


CLEAN = Condition(ConditionKind.CLEAN)
