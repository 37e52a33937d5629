"""The paper's claims as functions of stored metrics: supported, contradicted or not measured, with the numbers used.

The paper states tendencies. The `criterion` of each claim here states the bounds that decide it, so that a verdict can be
checked by hand. The bounds are relative to the run's own initialisation or to its clean values, and the same for every
run. A claim is supported if every run that it applies to meets its bounds.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from rnc.claims.claim import Claim
from rnc.claims.evidence import Number, RunEvidence
from rnc.claims.rules import CLAIMS, ONLY_FITTED, USED

__all__ = ["USED", "Judgement", "Number", "Verdict", "judge"]


class Verdict(StrEnum):
    """The verdict of the stored numbers on a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict, and the numbers behind it."""

    claim: str
    title: str
    statement: str
    criterion: str
    numbers: list[Number]
    course: list[tuple[int, Number]]
    """The claim's main number for the same runs at every epoch of the evidence: (epoch, number)."""

    @property
    def verdict(self) -> Verdict:
        """Return the verdict over all runs that the claim applies to."""
        return _verdict(self.numbers)

    def of(self, run_id: str) -> Verdict:
        """Return the verdict for one run alone."""
        return _verdict([number for number in self.numbers if number.run_id == run_id])


def _verdict(numbers: list[Number]) -> Verdict:
    if not numbers:
        return Verdict.NOT_MEASURED
    return Verdict.SUPPORTED if all(number.met for number in numbers) else Verdict.CONTRADICTED


def judge(runs: pd.DataFrame, evidence: pd.DataFrame) -> list[Judgement]:
    """Judge every claim on runs (run_id, objective, classes) and their evidence from `reader.metrics.evidence`.

    Each run is judged at its last epoch in the evidence; the earlier epochs give the course of a number. A run does not count
    for a claim if it is still at its initialisation or lacks one of the claim's numbers.
    """
    evidence_of = {run_id: values for run_id, values in evidence.groupby("run_id") if values["epoch"].max() > 0}
    judged = [
        RunEvidence(run_id, objective, len(classes), evidence_of[run_id])
        for run_id, objective, classes in zip(runs["run_id"], runs["objective"], runs["classes"], strict=True)
        if run_id in evidence_of
    ]
    return [_judge(claim, judged) for claim in CLAIMS]


def _judge(claim: Claim, runs: list[RunEvidence]) -> Judgement:
    numbers: list[Number] = []
    course: list[tuple[int, Number]] = []
    for run in runs:
        if claim.applies_to(run):
            of_run = claim.evaluate(run)
            if not any(math.isnan(number.value) for number in of_run):
                numbers += of_run
                course += _course(claim, run)
    criterion = claim.criterion + (ONLY_FITTED if claim.only_fitted else "")
    return Judgement(claim.name, claim.title, claim.statement, criterion, numbers, course)


def _course(claim: Claim, run: RunEvidence) -> list[tuple[int, Number]]:
    numbers = [(epoch, number) for epoch in run.epochs for number in claim.evaluate(run.until(epoch))]
    return [
        (epoch, number) for epoch, number in numbers if number.name == claim.plotted and math.isfinite(number.value)
    ]
