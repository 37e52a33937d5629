"""What a claim is: its words, whom it is about, and what decides it."""

from collections.abc import Callable
from dataclasses import dataclass

from rnc.claims.evidence import Number, RunEvidence
from rnc.vocabulary import TERMINAL_ACCURACY, Metric, Objective, Role


@dataclass(frozen=True)
class Claim:
    """A claim in words, whom it is about, and the numbers that decide it."""

    name: str
    title: str
    statement: str
    criterion: str
    objectives: tuple[Objective, ...]
    evaluate: Callable[[RunEvidence], list[Number]]
    drawn: str
    """The number that is drawn over epochs."""
    of_fitted: bool = False
    """Whether it speaks only of networks that fit their clean training images (TPT): others do not bear on it."""

    def bears_on(self, run: RunEvidence) -> bool:
        """Whether the run is one that the claim speaks of."""
        fitted = run.at(Role.CLEAN, Metric.ACCURACY) >= TERMINAL_ACCURACY
        return run.objective in self.objectives and (fitted or not self.of_fitted)
