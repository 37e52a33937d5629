"""Definition of a claim: its texts, the objectives that it applies to, and the numbers that decide it.

Tested by tests/rnc/test_claims.py.
"""

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
    plotted: str
    """The name of the main number, which is drawn over epochs unless another one decides the verdict."""
    only_fitted: bool = False
    """True if the claim applies only to networks that fit their clean training images (TPT)."""

    def applies_to(self, run: RunEvidence) -> bool:
        """Return whether the claim applies to the run."""
        is_fitted = run.at(Role.CLEAN, Metric.ACCURACY) >= TERMINAL_ACCURACY
        return run.objective in self.objectives and (is_fitted or not self.only_fitted)
