"""The paper's claims as functions of stored metrics: supported, contradicted or not measured, with the numbers used.

The paper states tendencies; each claim here says in `criterion` the bounds that decide it, so that a verdict can be
checked by hand. A claim is supported where every run that bears on it meets its bounds.
"""

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
        self.epochs = sorted(values["epoch"].unique())

    def at(self, shown: str, metric: Metric, epoch: int | None = None) -> float:
        """A value, at the last epoch where none is named; NaN where it is not measured."""
        return float(self._table.get((shown, metric, self.epochs[-1] if epoch is None else epoch), float("nan")))

    def number(self, name: str, value: float, bound: str, met: bool) -> list[Number]:
        """One number, or none where it is not measured."""
        return [] if value != value else [Number(self.run_id, name, value, bound, bool(met))]


def _collapses(run: _Run, shown: str, share: float) -> list[Number]:
    """NC1 now is at most `share` of what it was on clean data at initialisation."""
    first, last = run.at(Role.CLEAN, Metric.NC1, run.epochs[0]), run.at(shown, Metric.NC1)
    return run.number(f"NC1 {shown} now / clean at start", last / first, f"≤ {share:g}", last / first <= share)


def _c1(run: _Run) -> list[Number]:
    numbers = _collapses(run, Role.CLEAN, 0.2)
    for metric in COLLAPSE[1:]:
        first, last = run.at(Role.CLEAN, metric, run.epochs[0]), run.at(Role.CLEAN, metric)
        numbers += run.number(f"{metric} now / at start", last / first if first else last, "< 1", last < first)
    return numbers


def _c2(run: _Run) -> list[Number]:
    ratios = {m: run.at(Role.PERTURBED, m) / run.at(Role.CLEAN, m) for m in (Metric.NC1, Metric.NC2_EQUIANGULARITY)}
    return run.number("NC1, perturbed / clean", ratios[Metric.NC1], "≥ 10", ratios[Metric.NC1] >= 10) + run.number(
        "equiangularity, perturbed / clean",
        ratios[Metric.NC2_EQUIANGULARITY],
        "≥ 1.5",
        ratios[Metric.NC2_EQUIANGULARITY] >= 1.5,
    )


def _c6(run: _Run) -> list[Number]:
    return _collapses(run, Role.CLEAN, 0.2) + _collapses(run, Role.PERTURBED, 0.5)


def _c7(run: _Run) -> list[Number]:
    angle = run.at(Role.PERTURBED, Metric.ANGLE)
    return run.number("mean angle clean to perturbed (rad)", angle, "≤ 0.3", angle <= 0.3)


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
    chosen = runs[runs["objective"].isin(claim.objectives)]["run_id"]
    numbers: list[Number] = []
    for run_id in chosen:
        of_run = values[values["run_id"] == run_id]
        if of_run["epoch"].nunique() < 2:
            continue
        run = _Run(run_id, of_run)
        if claim.name == "C1":
            accuracy = run.at(Role.CLEAN, Metric.ACCURACY)
            numbers += run.number("train accuracy", accuracy, f"≥ {TERMINAL_ACCURACY}", accuracy >= TERMINAL_ACCURACY)
        numbers += claim.evaluate(run)
    if not numbers:
        verdict = Verdict.NOT_MEASURED
    else:
        verdict = Verdict.SUPPORTED if all(number.met for number in numbers) else Verdict.CONTRADICTED
    return Judgement(claim.name, claim.title, claim.statement, claim.criterion, verdict, numbers)
