"""The paper's claims as functions of stored metrics: supported, contradicted or not measured, with the numbers used.

The paper states tendencies; each claim here says in `criterion` the bounds that decide it, so that a verdict can be
checked by hand. They are relative to the run's own initialisation or to its clean values, and the same for every run. A
claim is supported where every run that bears on it meets its bounds.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from rnc.claims.claim import Claim
from rnc.claims.evidence import Number, RunEvidence
from rnc.claims.rules import CLAIMS, OF_FITTED, USED

__all__ = ["USED", "Judgement", "Number", "Verdict", "judge"]


class Verdict(StrEnum):
    """What the stored numbers say of a claim."""

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
    """The number that tells most, of the same runs, at every epoch that the evidence has: (epoch, number)."""

    @property
    def verdict(self) -> Verdict:
        """Over all runs that bear on the claim."""
        return _verdict(self.numbers)

    def of(self, run_id: str) -> Verdict:
        """For one run alone."""
        return _verdict([number for number in self.numbers if number.run_id == run_id])


def _verdict(numbers: list[Number]) -> Verdict:
    if not numbers:
        return Verdict.NOT_MEASURED
    return Verdict.SUPPORTED if all(number.met for number in numbers) else Verdict.CONTRADICTED


def judge(runs: pd.DataFrame, evidence: pd.DataFrame) -> list[Judgement]:
    """Judge every claim on runs (run_id, objective, classes) and what `StoreReader.evidence` answers of them.

    Each run is judged at the last epoch that the evidence has of it; the others make the course of a number. Runs that are at
    their initialisation, or of which a number of a claim is missing, do not count for it.
    """
    found = {run_id: values for run_id, values in evidence.groupby("run_id") if values["epoch"].max() > 0}
    judged = [
        RunEvidence(run_id, objective, len(classes), found[run_id])
        for run_id, objective, classes in zip(runs["run_id"], runs["objective"], runs["classes"], strict=True)
        if run_id in found
    ]
    return [_judge(claim, judged) for claim in CLAIMS]


def _judge(claim: Claim, runs: list[RunEvidence]) -> Judgement:
    numbers: list[Number] = []
    course: list[tuple[int, Number]] = []
    for run in runs:
        if claim.bears_on(run):
            of_run = claim.evaluate(run)
            if not any(math.isnan(number.value) for number in of_run):
                numbers += of_run
                course += _course(claim, run)
    criterion = claim.criterion + (OF_FITTED if claim.of_fitted else "")
    return Judgement(claim.name, claim.title, claim.statement, criterion, numbers, course)


def _course(claim: Claim, run: RunEvidence) -> list[tuple[int, Number]]:
    found = [(epoch, number) for epoch in run.epochs for number in claim.evaluate(run.until(epoch))]
    return [(epoch, number) for epoch, number in found if number.name == claim.drawn and math.isfinite(number.value)]
