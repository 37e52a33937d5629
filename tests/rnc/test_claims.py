"""Verdicts on numbers made by hand: supported, contradicted, not measured, and over several runs."""

import pandas as pd
import pytest

from rnc.claims import COLLAPSE, USED, Judgement, Verdict, judge
from rnc.vocabulary import Metric

Values = dict[tuple[str, str], tuple[float, float]]
"""(shown, metric) -> its value at epochs 0 and 60."""

ST: Values = {
    ("clean", "accuracy"): (0.1, 1.0),
    ("clean", "nc1"): (10.0, 1.0),
    ("clean", "nc2_equinorm"): (0.5, 0.1),
    ("clean", "nc2_equiangularity"): (0.5, 0.125),
    ("clean", "nc3"): (2.0, 0.1),
    ("clean", "nc4"): (0.9, 0.0),
    ("perturbed", "nc1"): (10.0, 10.0),
    ("perturbed", "nc2_equiangularity"): (0.4, 0.1875),
}
AT: Values = {
    ("clean", "accuracy"): (0.1, 0.9),
    ("clean", "nc1"): (10.0, 2.0),
    ("perturbed", "nc1"): (10.0, 5.0),
    ("perturbed", "angle"): (1.0, 0.3),
}
"""Both lie exactly on the bounds of their claims."""


def frame(run_id: str, values: Values, epochs: tuple[int, int] = (0, 60)) -> pd.DataFrame:
    rows = [
        (run_id, shown, metric, epoch, value)
        for (shown, metric), pair in values.items()
        for epoch, value in zip(epochs, pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["run_id", "shown", "metric", "epoch", "value"])


def verdicts(*runs: tuple[str, Values]) -> dict[str, Judgement]:
    """Judge runs, each (objective, values)."""
    table = pd.DataFrame(
        {"run_id": [str(i) for i in range(len(runs))], "objective": [objective for objective, _values in runs]}
    )
    empty = frame("none", {})
    frames = [frame(str(i), values) for i, (_objective, values) in enumerate(runs)]
    return {j.claim: j for j in judge(table, pd.concat([empty, *frames], ignore_index=True))}


def changed(values: Values, shown: str, metric: str, last: float, first: float | None = None) -> Values:
    before = values[shown, metric][0] if first is None else first
    return values | {(shown, metric): (before, last)}


def test_every_claim_says_what_it_is_and_what_decides_it() -> None:
    found = verdicts()
    assert list(found) == ["C1", "C2", "C6", "C7"]
    assert all(j.title and j.statement and j.criterion for j in found.values())
    assert {j.verdict for j in found.values()} == {Verdict.NOT_MEASURED}
    assert set(USED) == {*COLLAPSE, Metric.ANGLE, Metric.ACCURACY}


def test_numbers_on_the_bounds_support() -> None:
    found = verdicts(("st", ST), ("at", AT))
    assert {name: j.verdict for name, j in found.items()} == dict.fromkeys(found, Verdict.SUPPORTED)
    assert all(number.met for j in found.values() for number in j.numbers)


def test_the_numbers_used_are_shown() -> None:
    found = verdicts(("st", ST), ("at", AT))
    assert [n.value for n in found["C1"].numbers] == pytest.approx([1.0, 0.1, 0.2, 0.25, 0.05, 0.0])
    assert [(n.value, n.bound) for n in found["C2"].numbers] == [(10.0, "≥ 10"), (1.5, "≥ 1.5")]
    assert [(n.value, n.bound) for n in found["C6"].numbers] == [(0.2, "≤ 0.2"), (0.5, "≤ 0.5")]
    assert [(n.value, n.run_id) for n in found["C7"].numbers] == [(0.3, "1")]


@pytest.mark.parametrize(
    ("claim", "objective", "values"),
    [
        ("C1", "st", changed(ST, "clean", "accuracy", 0.998)),
        ("C1", "st", changed(ST, "clean", "nc1", 2.1)),
        ("C1", "st", changed(ST, "clean", "nc2_equinorm", 0.5)),
        ("C1", "st", changed(ST, "clean", "nc2_equiangularity", 0.51)),
        ("C1", "st", changed(ST, "clean", "nc3", 2.0)),
        ("C1", "st", changed(ST, "clean", "nc4", 0.95)),
        ("C1", "st", changed(ST, "clean", "nc4", 0.01, first=0.0)),
        ("C2", "st", changed(ST, "perturbed", "nc1", 9.9)),
        ("C2", "st", changed(ST, "perturbed", "nc2_equiangularity", 0.18)),
        ("C6", "at", changed(AT, "clean", "nc1", 2.1)),
        ("C6", "at", changed(AT, "perturbed", "nc1", 5.1)),
        ("C7", "at", changed(AT, "perturbed", "angle", 0.31)),
        ("C7", "at-eval-attack", changed(AT, "perturbed", "angle", 0.31)),
    ],
)
def test_one_number_beyond_its_bound_contradicts(claim: str, objective: str, values: Values) -> None:
    (judgement,) = [j for name, j in verdicts((objective, values)).items() if name == claim]
    assert judgement.verdict is Verdict.CONTRADICTED
    assert [number.met for number in judgement.numbers].count(False) == 1


@pytest.mark.parametrize("objective", ["trades", "trades-released"])
def test_claims_are_about_their_objectives(objective: str) -> None:
    found = verdicts((objective, ST | AT))
    assert {j.verdict for j in found.values()} == {Verdict.NOT_MEASURED}
    assert verdicts(("st", ST | AT))["C6"].verdict is Verdict.NOT_MEASURED
    assert verdicts(("at", ST | AT))["C1"].verdict is Verdict.NOT_MEASURED


def test_perturbed_collapse_is_measured_against_clean_at_the_start() -> None:
    values = changed(AT, "perturbed", "nc1", 5.0, first=1000.0)
    assert verdicts(("at", values))["C6"].verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("metric", [*COLLAPSE, Metric.ACCURACY])
def test_a_claim_of_which_a_number_is_missing_is_not_supported(metric: str) -> None:
    """C1 speaks of all of NC1 to NC4 and of the accuracy."""
    values = {key: pair for key, pair in ST.items() if key != ("clean", str(metric))}
    assert verdicts(("st", values))["C1"].verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize("gone", [("perturbed", "nc1"), ("perturbed", "nc2_equiangularity")])
def test_a_number_that_is_nan_is_not_measured(gone: tuple[str, str]) -> None:
    values: Values = ST | {gone: (float("nan"), float("nan"))}
    assert verdicts(("st", values))["C2"].verdict is Verdict.NOT_MEASURED


def test_without_perturbed_data_claims_on_it_are_not_measured() -> None:
    st, at = ({key: pair for key, pair in values.items() if key[0] == "clean"} for values in (ST, AT))
    found = verdicts(("st", st), ("at", at))
    assert {found[name].verdict for name in ("C2", "C6", "C7")} == {Verdict.NOT_MEASURED}
    assert found["C1"].verdict is Verdict.SUPPORTED


def test_every_run_that_bears_on_a_claim_must_meet_it() -> None:
    bad = changed(ST, "clean", "nc1", 9.0)
    found = verdicts(("st", ST), ("st", bad), ("at", AT))["C1"]
    assert found.verdict is Verdict.CONTRADICTED
    assert [number.run_id for number in found.numbers if not number.met] == ["1"]
    assert {number.run_id for number in found.numbers} == {"0", "1"}
    assert verdicts(("st", ST), ("st", ST))["C1"].verdict is Verdict.SUPPORTED


def test_a_run_with_one_measured_epoch_is_left_out() -> None:
    start = frame("1", ST)
    values = pd.concat([frame("0", ST), start[start["epoch"] == 0]])
    runs = pd.DataFrame({"run_id": ["0", "1"], "objective": ["st", "st"]})
    found = judge(runs, values)[0]
    assert found.verdict is Verdict.SUPPORTED and {n.run_id for n in found.numbers} == {"0"}


def test_each_run_is_judged_at_its_own_last_epoch() -> None:
    runs = pd.DataFrame({"run_id": ["0", "1"], "objective": ["st", "st"]})
    longer = pd.concat([frame("1", ST, (0, 90)), frame("1", changed(ST, "clean", "nc1", 9.9, 9.9), (20, 40))])
    found = judge(runs, pd.concat([frame("0", ST), longer]).sample(frac=1, random_state=0))[0]
    assert found.verdict is Verdict.SUPPORTED
    cut = longer[longer["epoch"] <= 40]
    assert judge(runs, pd.concat([frame("0", ST), cut]))[0].verdict is Verdict.CONTRADICTED


def test_the_start_is_the_initialisation() -> None:
    """A run whose epoch 0 is not measured has no start to be compared with."""
    runs = pd.DataFrame({"run_id": ["0"], "objective": ["st"]})
    assert judge(runs, frame("0", ST, (30, 60)))[0].verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize("metric", ["nc1", "nc2_equiangularity"])
def test_a_collapse_to_exactly_zero_breaks_nothing(metric: str) -> None:
    found = verdicts(("st", changed(ST, "clean", metric, 0.0)))
    assert found["C1"].verdict is Verdict.SUPPORTED
    assert found["C2"].verdict is Verdict.SUPPORTED


def test_a_start_at_exactly_zero_breaks_nothing() -> None:
    assert verdicts(("at", changed(AT, "clean", "nc1", 0.0, first=0.0)))["C6"].verdict is not Verdict.SUPPORTED
