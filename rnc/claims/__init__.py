"""The paper's claims as functions of stored metrics: supported, contradicted or not measured, with the numbers used.

The paper states tendencies. The `criterion` of each claim here states the bounds that decide it, so that a verdict can be
checked by hand. The bounds are relative to the run's own initialisation or to its clean values, and the same for every
run. A claim is supported if every run that it applies to meets its bounds. The claims are about the end of training: a run
under way has its numbers, but no verdict.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from rnc.claims.bounds import FITTED, ORIGIN, REASONS
from rnc.claims.claim import Claim
from rnc.claims.evidence import Number, RunEvidence
from rnc.claims.paper_claims import CLAIMS, ONLY_FITTED, USED
from rnc.vocabulary import Metric, Role, RunState

__all__ = ["ORIGIN", "USED", "Judgement", "Number", "Reason", "Verdict", "is_trained_to_its_end", "judge_each_claim"]


class Verdict(StrEnum):
    """The verdict of the stored numbers on a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    TOO_EARLY = "too early"
    NOT_MEASURED = "not measured"


class Reason(StrEnum):
    """The reason why a claim has no verdict for a run."""

    OTHER_TRAINING = "not about such runs"
    TOO_EARLY = "too early"
    NOT_FITTED = "does not fit its training images"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict, and the numbers behind it."""

    claim: str
    title: str
    statement: str
    criterion: str
    bounds: str
    """Where the bounds of the criterion come from."""
    main: str
    """The name of the claim's main number."""
    numbers: list[Number]
    courses: list[tuple[int, Number]]
    """All finite numbers of the same runs at every epoch of the evidence: (epoch, number)."""
    unjudged: dict[str, Reason]
    """The runs without a verdict, by id. Those of which it is too early to judge may have numbers."""

    @property
    def course(self) -> list[tuple[int, Number]]:
        """Return the number that decides the verdict, or the main one if none does, for all runs at every epoch."""
        deciding = self.deciding()
        name = self.main if deciding is None else deciding.name
        return [(epoch, number) for epoch, number in self.courses if number.name == name]

    @property
    def verdict(self) -> Verdict:
        """Return the verdict over all runs that the claim applies to."""
        return self._verdict(self.numbers_of_judged_runs)

    def of(self, run_id: str) -> Verdict:
        """Return the verdict for one run alone."""
        return self._verdict([number for number in self.numbers_of_judged_runs if number.run_id == run_id], run_id)

    @property
    def numbers_of_judged_runs(self) -> list[Number]:
        """Return the numbers of the runs that have a verdict."""
        return [number for number in self.numbers if number.run_id not in self.unjudged]

    def deciding(self, run_id: str | None = None) -> Number | None:
        """Return the number that explains a verdict: the one furthest beyond its bound, or else the claim's main number.

        It is that of one run, or of all that have a verdict; of several main numbers, the nearest to its bound.
        """
        numbers = [number for number in self.numbers_of_judged_runs if run_id in (None, number.run_id)]
        beyond = [number for number in numbers if not number.met]
        main = [number for number in numbers if number.name == self.main]
        return min(beyond or main or numbers, key=lambda number: number.margin, default=None)

    def _verdict(self, numbers: list[Number], run_id: str | None = None) -> Verdict:
        if numbers:
            return Verdict.SUPPORTED if all(number.met for number in numbers) else Verdict.CONTRADICTED
        reasons = self.unjudged.values() if run_id is None else [self.unjudged.get(run_id)]
        return Verdict.TOO_EARLY if Reason.TOO_EARLY in reasons else Verdict.NOT_MEASURED


def judge_each_claim(runs: pd.DataFrame, evidence: pd.DataFrame) -> list[Judgement]:
    """Judge every claim on runs (run_id, objective, classes) and their evidence from `reader.metrics.evidence`.

    Each run is judged at its last epoch in the evidence; the earlier epochs give the course of a number. A run has no verdict on
    a claim if it lacks one of the claim's numbers. The columns `state` and `epochs`, if there are any, say which runs have not
    been trained to their end: they have no verdict either, and no run has one after a single epoch of several.
    """
    values_of: dict[str, pd.DataFrame] = {str(run_id): values for run_id, values in evidence.groupby("run_id")}
    judged = [_Run(run, values_of.get(run["run_id"])) for run in runs.to_dict("records")]
    return [_judge(claim, judged) for claim in CLAIMS]


def is_trained_to_its_end(state: Any, last_epoch: Any, planned_epochs: Any) -> Any:
    """Return whether a run has been trained to its end: it says so, or has the last epoch of its plan.

    The arguments are those of one run, or columns of many.
    """
    return (state == RunState.FINISHED) | (last_epoch >= planned_epochs)


class _Run:
    """A run with its evidence, if there is any after its initialisation."""

    def __init__(self, run: dict[Hashable, Any], values: pd.DataFrame | None) -> None:
        self.run_id, self.objective = str(run["run_id"]), run["objective"]
        last = 0 if values is None else int(values["epoch"].max())
        planned, state = int(run.get("epochs", last)), run.get("state", RunState.FINISHED)
        self.is_too_early = not is_trained_to_its_end(state, last, planned) or (last < planned and last <= 1)
        self.evidence = None
        if values is not None and last > 0:
            self.evidence = RunEvidence(self.run_id, self.objective, len(run["classes"]), values)


def _judge(claim: Claim, runs: list[_Run]) -> Judgement:
    numbers: list[Number] = []
    courses: list[tuple[int, Number]] = []
    unjudged: dict[str, Reason] = {}
    for run in runs:
        of_run, reason = _numbers(claim, run)
        if reason is not None:
            unjudged[run.run_id] = reason
        if of_run and run.evidence:
            numbers += of_run
            courses += _courses(claim, run.evidence)
    criterion = claim.criterion + (ONLY_FITTED if claim.only_fitted else "")
    bounds = " ".join([ORIGIN, *([FITTED] if claim.only_fitted else []), *REASONS[claim.name]])
    texts = (claim.name, claim.title, claim.statement, criterion, bounds)
    return Judgement(*texts, claim.plotted, numbers, courses, unjudged)


def _numbers(claim: Claim, run: _Run) -> tuple[list[Number], Reason | None]:
    """Return a claim's numbers for a run, and the reason if there is no verdict."""
    if run.objective not in claim.objectives:
        return [], Reason.OTHER_TRAINING
    missing = Reason.TOO_EARLY if run.is_too_early else Reason.NOT_MEASURED
    if run.evidence is None:
        return [], missing
    if not claim.applies_to(run.evidence):
        is_measured = not math.isnan(run.evidence.at(Role.CLEAN, Metric.ACCURACY))
        return [], Reason.NOT_FITTED if is_measured and not run.is_too_early else missing
    numbers = claim.evaluate(run.evidence)
    if any(math.isnan(number.value) for number in numbers):
        return [], missing
    return numbers, Reason.TOO_EARLY if run.is_too_early else None


def _courses(claim: Claim, run: RunEvidence) -> list[tuple[int, Number]]:
    numbers = [(epoch, number) for epoch in run.epochs for number in claim.evaluate(run.until(epoch))]
    return [(epoch, number) for epoch, number in numbers if math.isfinite(number.value)]
