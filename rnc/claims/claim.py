"""Definition of a claim: its texts, the objectives that it applies to, and the numbers that decide it."""

from collections.abc import Callable
from dataclasses import dataclass

from rnc.claims.evidence import Number, RunEvidence
from rnc.vocabulary import TERMINAL_ACCURACY, Metric, Objective, Role


@dataclass(frozen=True)
class Claim:
    """A claim in words, the objectives that it applies to, and the numbers that decide it."""

    name: str
    title: str
    statement: str
    criterion: str
    objectives: tuple[Objective, ...]
    evaluate: Callable[[RunEvidence], list[Number]]
    drawn: str
    """The name of the number that is drawn over epochs."""
    of_fitted: bool = False
    """True if the claim applies only to networks that fit their clean training images (TPT)."""

    def bears_on(self, run: RunEvidence) -> bool:
        """Return whether the claim applies to the run."""
        fitted = run.at(Role.CLEAN, Metric.ACCURACY) >= TERMINAL_ACCURACY
        return run.objective in self.objectives and (fitted or not self.of_fitted)
