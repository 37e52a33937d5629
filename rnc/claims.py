"""The paper's claims as functions of stored metrics: supported, contradicted or not measured, with the numbers used.

The paper states tendencies; each claim here says in `criterion` the bounds that decide it, so that a verdict can be
checked by hand. A claim is supported where every run that bears on it meets its bounds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from rnc.vocabulary import Metric, Objective, Role

COLLAPSE = (Metric.NC1, Metric.NC2_EQUINORM, Metric.NC2_EQUIANGULARITY, Metric.NC3, Metric.NC4)
USED = (*COLLAPSE, Metric.ANGLE, Metric.ACCURACY)
"""The metrics that `judge` needs."""

TERMINAL_ACCURACY = 0.999
_AT = (Objective.AT, Objective.AT_EVAL_ATTACK)


class Verdict(StrEnum):
    """What the stored numbers say of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Number:
    """A number that a verdict rests on, and whether it is within the claim's bound."""

    run_id: str
    name: str
    value: float
    bound: str
    met: bool


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict, and the numbers behind it."""

    claim: str
    title: str
    statement: str
    criterion: str
    verdict: Verdict
    numbers: list[Number]


@dataclass(frozen=True)
class _Claim:
    name: str
    title: str
    statement: str
    criterion: str
    objectives: tuple[Objective, ...]
    evaluate: Callable[["_Run"], list[Number]]


class _Run:
    """The training-split metrics of one run up to the epoch cursor, by condition, metric and epoch."""

    def __init__(self, run_id: str, values: pd.DataFrame) -> None:
        self.run_id = run_id
        self._table = values.set_index(["shown", "metric", "epoch"])["value"].sort_index()
        self.last = int(values["epoch"].max())

    def at(self, shown: str, metric: Metric, epoch: int | None = None) -> float:
        """A value, at the last epoch where none is named; NaN where it is not measured."""
        return float(self._table.get((shown, metric, self.last if epoch is None else epoch), math.nan))

    def start(self, metric: Metric) -> float:
        """A value on clean data at initialisation."""
        return self.at(Role.CLEAN, metric, 0)

    def at_most(self, name: str, value: float, bound: float) -> Number:
        """A number with an upper bound; NaN meets none."""
        return Number(self.run_id, name, value, f"≤ {bound:g}", value <= bound)

    def at_least(self, name: str, value: float, bound: float) -> Number:
        """A number with a lower bound; NaN meets none."""
        return Number(self.run_id, name, value, f"≥ {bound:g}", value >= bound)


def _ratio(value: float, reference: float) -> float:
    """value / reference; infinite where only the reference is 0, NaN where both are."""
    if reference == 0:
        return math.nan if value == 0 or math.isnan(value) else math.inf
    return value / reference


def _c1(run: _Run) -> list[Number]:
    numbers = [run.at_least("train accuracy", run.at(Role.CLEAN, Metric.ACCURACY), TERMINAL_ACCURACY)]
    numbers.append(
        run.at_most("NC1 now / at start", _ratio(run.at(Role.CLEAN, Metric.NC1), run.start(Metric.NC1)), 0.2)
    )
    for metric in COLLAPSE[1:]:
        share = _ratio(run.at(Role.CLEAN, metric), run.start(metric))
        numbers.append(Number(run.run_id, f"{metric} now / at start", share, "< 1", share < 1))
    return numbers


def _c2(run: _Run) -> list[Number]:
    def against_clean(metric: Metric) -> float:
        return _ratio(run.at(Role.PERTURBED, metric), run.at(Role.CLEAN, metric))

    return [
        run.at_least("NC1, perturbed / clean", against_clean(Metric.NC1), 10),
        run.at_least("equiangularity, perturbed / clean", against_clean(Metric.NC2_EQUIANGULARITY), 1.5),
    ]


def _c6(run: _Run) -> list[Number]:
    start = run.start(Metric.NC1)
    return [
        run.at_most("NC1 clean now / clean at start", _ratio(run.at(Role.CLEAN, Metric.NC1), start), 0.2),
        run.at_most("NC1 perturbed now / clean at start", _ratio(run.at(Role.PERTURBED, Metric.NC1), start), 0.5),
    ]


def _c7(run: _Run) -> list[Number]:
    return [run.at_most("mean angle clean to perturbed (rad)", run.at(Role.PERTURBED, Metric.ANGLE), 0.3)]


_CLAIMS = (
    _Claim(
        "C1",
        "Standard training collapses",
        "On clean training data NC1 to NC4 go towards 0.",
        f"Train accuracy ≥ {TERMINAL_ACCURACY:.1%}; at the cursor NC1 is at most 0.2 of its start, NC2 to NC4 are below theirs.",
        (Objective.ST,),
        _c1,
    ),
    _Claim(
        "C2",
        "PGD destroys the collapse of standard training",
        "Perturbed features show neither variability collapse nor a simplex.",
        "At the epoch cursor NC1 on perturbed data is at least 10 times that on clean, equiangularity at least 1.5 times.",
        (Objective.ST,),
        _c2,
    ),
    _Claim(
        "C6",
        "Adversarial training collapses on both",
        "Clean and perturbed training features collapse.",
        "At the epoch cursor NC1 on clean data is at most 0.2, on perturbed data at most 0.5 of NC1 on clean data at the start.",
        _AT,
        _c6,
    ),
    _Claim(
        "C7",
        "Its two simplices are aligned",
        "A small angle lies between clean and perturbed class means of adversarial training.",
        "At the epoch cursor the mean angle between centred class means is at most 0.3 rad.",
        _AT,
        _c7,
    ),
)


def judge(runs: pd.DataFrame, values: pd.DataFrame) -> list[Judgement]:
    """Judge every claim on runs (run_id, objective) and values (run_id, shown, metric, epoch, value) of the train split.

    Each run is judged at the last epoch that `values` has of it. `values` holds the metrics USED: collapse and
    accuracy around own means, the angle against clean means.
    """
    return [_judge(claim, runs, values) for claim in _CLAIMS]


def _judge(claim: _Claim, runs: pd.DataFrame, values: pd.DataFrame) -> Judgement:
    """Runs that are at their initialisation, or of which a number is missing, do not count."""
    numbers: list[Number] = []
    for run_id in runs[runs["objective"].isin(claim.objectives)]["run_id"]:
        of_run = values[values["run_id"] == run_id]
        found = claim.evaluate(_Run(run_id, of_run)) if of_run["epoch"].max() > 0 else []
        if not any(math.isnan(number.value) for number in found):
            numbers += found
    if not numbers:
        verdict = Verdict.NOT_MEASURED
    else:
        verdict = Verdict.SUPPORTED if all(number.met for number in numbers) else Verdict.CONTRADICTED
    return Judgement(claim.name, claim.title, claim.statement, claim.criterion, verdict, numbers)
