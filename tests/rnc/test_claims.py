"""Verdicts on numbers made by hand: supported, contradicted, not measured, and over several runs."""

import math
import re
from typing import NamedTuple

import pandas as pd
import pytest

from rnc.claims import USED, Judgement, Reason, Verdict, judge_each_claim
from rnc.claims.bounds import ALIGNED, COLLAPSED, DESTROYED, ORIGIN, REASONS, SIMPLEX_LOST
from rnc.claims.evidence import Number, RunEvidence, ratio
from rnc.claims.paper_claims import CLAIMS
from rnc.vocabulary import Metric, Objective

AT = ["C6", "C7", "C8", "C11"]
ABOUT = {
    "st": ["C1", "C2", "C3", "C4", "C5", "C10", "C11"],
    "at": AT,
    "at-eval-attack": AT,
    "trades": ["C9"],
    "trades-released": ["C9 released"],
    "own": [],
}
CLASSES = [str(c) for c in range(10)]
BETWEEN_VERTICES = math.acos(-1 / 9)
SHARES = {"half": 0.5, "quarter": 0.25, "perturbed": 1.0}
DEPTHS = {"pixels": 0, "stage-1": 1, "stage-2": 2, "stage-3": 3, "stage-4": 4, "features": 5}
EPOCHS = (0, 60)
NC = ("NC1", "NC2 equinorm", "NC2 equiangularity", "NC3", "NC4")


class What(NamedTuple):
    """Which number of a run."""

    shown: str
    metric: str
    means: str = "own"
    split: str = "train"
    layer: str = "features"


Values = dict[What, tuple[float, float]]
"""A number at epochs 0 and 60."""

ST: Values = {
    What("clean", "accuracy"): (0.1, 1.0),
    What("clean", "nc1"): (10.0, 1.0),
    What("clean", "nc1", split="test"): (10.0, 2.0),
    What("clean", "nc2_equinorm"): (0.5, 0.1),
    What("clean", "nc2_equiangularity"): (0.5, 0.125),
    What("clean", "nc3"): (2.0, 0.1),
    What("clean", "nc4"): (0.9, 0.0),
    What("perturbed", "nc1"): (10.0, 10.0),
    What("perturbed", "nc2_equiangularity"): (0.4, 0.1875),
    What("half", "nc1"): (10.0, 10.0),
    What("quarter", "nc1"): (10.0, 3.0),
    What("relabelled", "nc1"): (10.0, 2.0),
    What("relabelled", "angle", "clean"): (1.0, BETWEEN_VERTICES / 2),
    What("targeted", "nc1"): (10.0, 2.0),
    What("targeted", "nc2_equiangularity"): (0.5, 0.1875),
    What("targeted", "angle", "clean"): (1.0, 0.3),
    What("gaussian", "nc1"): (10.0, 10.0),
    What("gaussian", "angle", "clean"): (1.0, 0.3),
    What("sign_noise", "nc1"): (10.0, 10.0),
    What("sign_noise", "angle", "clean"): (1.0, 0.3),
    What("clean", "nc1", layer="pixels"): (10.0, 9.0),
    What("clean", "nc1", layer="stage-1"): (10.0, 5.0),
    What("clean", "nc1", layer="stage-2"): (10.0, 7.0),
    What("perturbed", "ncc_accuracy", "clean", layer="pixels"): (0.1, 0.2),
    What("perturbed", "ncc_accuracy", "clean", layer="stage-1"): (0.1, 0.4),
    What("perturbed", "ncc_accuracy", "clean", layer="stage-2"): (0.1, 0.9),
    What("perturbed", "ncc_accuracy", "clean"): (0.1, 0.3),
}
TRAINED_ON_PERTURBED: Values = {
    What("clean", "accuracy"): (0.1, 0.999),
    What("clean", "nc1"): (10.0, 2.0),
    What("clean", "nc1", split="test"): (10.0, 4.0),
    What("clean", "accuracy", split="test"): (0.1, 0.75),
    What("perturbed", "nc1"): (10.0, 5.0),
    What("perturbed", "nc1", split="test"): (10.0, 10.0),
    What("perturbed", "angle", "clean"): (1.0, 0.3),
    What("perturbed", "accuracy"): (0.1, 0.5),
    What("perturbed", "accuracy", split="test"): (0.1, 0.25),
    What("perturbed", "ncc_accuracy", "clean"): (0.1, 0.45),
    What("perturbed", "ncc_accuracy", "train clean", split="test"): (0.1, 0.225),
}
"""All lie exactly on the bounds of their claims: C6 to C8 and C11 after adversarial training, C9 after TRADES."""


def of(objective: str) -> Values:
    return ST if objective == "st" else TRAINED_ON_PERTURBED


def frame(run_id: str, values: Values, epochs: tuple[int, int] = EPOCHS) -> pd.DataFrame:
    rows = [
        (run_id, epoch, SHARES.get(what.shown), DEPTHS[what.layer], value, *what)
        for what, pair in values.items()
        for epoch, value in zip(epochs, pair, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["run_id", "epoch", "share", "depth", "value", *What._fields])
    return frame.astype({"share": float, "value": float})


def table(*objectives: str) -> pd.DataFrame:
    return pd.DataFrame(
        [(str(i), objective, CLASSES) for i, objective in enumerate(objectives)],
        columns=["run_id", "objective", "classes"],
    )


def verdicts(*runs: tuple[str, Values]) -> dict[str, Judgement]:
    """Judge runs, each (objective, values)."""
    frames = [frame("none", {}), *(frame(str(i), values) for i, (_objective, values) in enumerate(runs))]
    judged = judge_each_claim(table(*(objective for objective, _values in runs)), pd.concat(frames, ignore_index=True))
    return {judgement.claim: judgement for judgement in judged}


def changed(objective: str, what: What, last: float, first: float | None = None) -> Values:
    values = of(objective)
    return values | {what: (values[what][0] if first is None else first, last)}


def test_every_claim_says_what_it_is_and_what_decides_it() -> None:
    found = verdicts()
    assert list(found) == [*(f"C{k}" for k in range(1, 10)), "C9 released", "C10", "C11"]
    assert all(j.title and j.statement and j.criterion.endswith(".") for j in found.values())
    assert {j.verdict for j in found.values()} == {Verdict.NOT_MEASURED}
    used = {what.metric for values in (ST, TRAINED_ON_PERTURBED) for what in values}
    assert set(USED) == used and used < set(Metric)


@pytest.mark.parametrize("objective", list(Objective))
def test_numbers_on_the_bounds_support_the_claims_about_an_objective(objective: str) -> None:
    found = verdicts((objective, of(objective)))
    assert {name: j.verdict for name, j in found.items()} == {
        name: Verdict.SUPPORTED if name in ABOUT[objective] else Verdict.NOT_MEASURED for name in found
    }
    assert all(number.met for j in found.values() for number in j.numbers)


@pytest.mark.parametrize("objective", ["st", "at", "trades", "trades-released"])
def test_the_course_of_a_claim_is_one_of_its_numbers_at_every_epoch(objective: str) -> None:
    """At the first epoch most claims do not hold, and networks fit nothing: the course is drawn all the same."""
    found = verdicts((objective, of(objective)))
    for name in ABOUT[objective]:
        course = found[name].course
        assert [epoch for epoch, _number in course] == list(EPOCHS)
        assert course[-1][1] in found[name].numbers
        assert len({(number.name, number.bound) for _epoch, number in course}) == 1
        earlier = judge_each_claim(
            table(objective), frame("0", {what: (v[0], v[0]) for what, v in of(objective).items()})
        )
        shown = {number.name: number for j in earlier for number in j.numbers if j.claim == name}
        assert not shown or shown[course[0][1].name] == course[0][1]


def test_the_course_is_that_of_the_number_that_decides() -> None:
    """TRADES that is not robust: its main number is within its bound, and would be drawn without a reason for the verdict."""
    values = changed("trades", What("perturbed", "accuracy", split="test"), 0.01)
    found = verdicts(("trades", values))["C9"]
    deciding = found.deciding()
    assert deciding is not None and not deciding.met and deciding.name != found.main
    assert {number.name for _epoch, number in found.course} == {deciding.name} and found.course[-1] == (60, deciding)


@pytest.mark.parametrize("objective", ["st", "at", "trades"])
def test_a_number_names_the_condition_that_it_is_measured_under(objective: str) -> None:
    """Without that condition there is no number; those of clean images need no other condition."""

    def value(number: Number, values: Values) -> float:
        evidence = RunEvidence("0", objective, len(CLASSES), frame("0", values))
        (claim,) = (each for each in CLAIMS if each.name == name)
        return next((each.value for each in claim.evaluate(evidence) if each.name == number.name), math.nan)

    values = of(objective)
    clean = {what: pair for what, pair in values.items() if what.shown == "clean"}
    for name in ABOUT[objective]:
        for number in verdicts((objective, values))[name].numbers:
            others = {what: pair for what, pair in values.items() if what.shown != number.shown}
            is_clean = number.shown == "clean"
            assert math.isfinite(value(number, clean)) == is_clean and (is_clean or math.isnan(value(number, others)))


def test_a_course_leaves_out_what_is_not_measured() -> None:
    """Between two measured epochs, and where a run's numbers do not suffice for a verdict."""
    values = pd.concat([frame("0", ST), frame("0", {What("clean", "accuracy"): (0.3, 0.4)}, (10, 20))])
    (found,) = (j for j in judge_each_claim(table("st"), values) if j.claim == "C1")
    assert [epoch for epoch, _number in found.course] == list(EPOCHS)
    without = {what: pair for what, pair in ST.items() if what.metric != "nc4"}
    assert verdicts(("st", without))["C1"].course == []


@pytest.mark.parametrize(
    ("claim", "objective", "values", "bounds"),
    [
        ("C1", "st", [1.0, 0.1, 0.2, 0.25, 0.05, 0.0], ["≥ 0.999", "≤ 0.2", "< 1", "< 1", "< 1", "< 1"]),
        ("C2", "st", [10, 1.5, 10], ["≥ 10", "≥ 1.5", "≥ 10"]),
        ("C3", "st", [2, 0.2, 0.5], ["≤ 10", "≤ 0.2", "≤ 0.5"]),
        ("C4", "st", [0.2, 1.5, 0.3], ["≤ 0.2", "≤ 1.5", "≤ 0.3"]),
        ("C5", "st", [10, 0.3, 10, 0.3], ["≤ 10", "≤ 0.3", "≤ 10", "≤ 0.3"]),
        ("C6", "at", [0.2, 0.5], ["≤ 0.2", "≤ 0.5"]),
        ("C7", "at", [0.3], ["≤ 0.3"]),
        ("C8", "at", [0.5, 0.9, 0.9], ["≥ 0.2", "≥ 0.9", "≥ 0.9"]),
        ("C9", "trades", [0.75, 1 / 3, 0.2, 0.5], ["≥ 0.2", "≥ 0.3333", "≥ 0.2", "≥ 0.5"]),
        ("C10", "st", [-0.5, 0.1], ["≤ -0.5", "≥ 0.1"]),
        ("C11", "st", [2], ["≥ 2"]),
        ("C11", "at", [2, 2], ["≥ 2", "≥ 2"]),
    ],
)
def test_the_numbers_used_are_shown(claim: str, objective: str, values: list[float], bounds: list[str]) -> None:
    numbers = verdicts((objective, of(objective)))[claim].numbers
    assert [number.value for number in numbers] == pytest.approx(values)
    assert [number.bound for number in numbers] == bounds
    assert {number.run_id for number in numbers} == {"0"}


@pytest.mark.parametrize(
    ("claim", "objective", "names"),
    [
        ("C1", "st", ["train accuracy", *(f"{nc} now / at start" for nc in NC)]),
        ("C2", "st", ["NC1, perturbed / clean", "equiangularity, perturbed / clean", "NC1 at ε/2 / clean"]),
        (
            "C3",
            "st",
            [
                "NC1, relabelled / clean",
                "NC1 relabelled / clean at start",
                "angle to the vertex / between two vertices",
            ],
        ),
        (
            "C4",
            "st",
            [
                "NC1 targeted / clean at start",
                "equiangularity, targeted / clean",
                "angle to the target's vertex (rad)",
            ],
        ),
        (
            "C5",
            "st",
            [
                "NC1, Gaussian / clean",
                "angle, Gaussian (rad)",
                "NC1, sign noise / clean",
                "angle, sign noise (rad)",
            ],
        ),
        ("C6", "at", ["NC1 clean now / clean at start", "NC1 perturbed now / clean at start"]),
        ("C7", "at", ["mean angle clean to perturbed (rad)"]),
        (
            "C8",
            "at",
            [
                "under PGD, train: network",
                "under PGD, train: nearest centre / network",
                "under PGD, test: nearest centre / network",
            ],
        ),
        (
            "C9",
            "trades",
            [
                "test accuracy, clean",
                "test accuracy, PGD / clean",
                "NC1 clean now / at start",
                "NC1 perturbed now / clean at start",
            ],
        ),
        ("C10", "st", ["rank correlation of depth and NC1", "under PGD: nearest centre, early − last"]),
        ("C11", "at", ["NC1 clean, test / train", "NC1 perturbed, test / train"]),
    ],
)
def test_each_number_is_named(claim: str, objective: str, names: list[str]) -> None:
    """As the page Findings lists them."""
    assert [number.name for number in verdicts((objective, of(objective)))[claim].numbers] == names


BEYOND = [
    ("C1", "st", What("clean", "accuracy"), 0.998),
    ("C1", "st", What("clean", "nc1"), 2.1),
    ("C1", "st", What("clean", "nc2_equinorm"), 0.5),
    ("C1", "st", What("clean", "nc2_equiangularity"), 0.51),
    ("C1", "st", What("clean", "nc3"), 2.0),
    ("C1", "st", What("clean", "nc4"), 0.95),
    ("C2", "st", What("perturbed", "nc1"), 9.9),
    ("C2", "st", What("perturbed", "nc2_equiangularity"), 0.18),
    ("C2", "st", What("half", "nc1"), 9.9),
    ("C3", "st", What("relabelled", "nc1"), 2.1),
    ("C3", "st", What("relabelled", "angle", "clean"), BETWEEN_VERTICES / 2 + 0.01),
    ("C4", "st", What("targeted", "nc1"), 2.1),
    ("C4", "st", What("targeted", "nc2_equiangularity"), 0.19),
    ("C4", "st", What("targeted", "angle", "clean"), 0.31),
    ("C5", "st", What("gaussian", "nc1"), 10.1),
    ("C5", "st", What("gaussian", "angle", "clean"), 0.31),
    ("C5", "st", What("sign_noise", "nc1"), 10.1),
    ("C5", "st", What("sign_noise", "angle", "clean"), 0.31),
    ("C6", "at", What("clean", "nc1"), 2.1),
    ("C6", "at", What("perturbed", "nc1"), 5.1),
    ("C7", "at", What("perturbed", "angle", "clean"), 0.31),
    ("C7", "at-eval-attack", What("perturbed", "angle", "clean"), 0.31),
    ("C8", "at", What("perturbed", "ncc_accuracy", "clean"), 0.44),
    ("C8", "at", What("perturbed", "ncc_accuracy", "train clean", "test"), 0.22),
    ("C9", "trades", What("perturbed", "accuracy", split="test"), 0.24),
    ("C9", "trades", What("clean", "nc1"), 1.9),
    ("C9", "trades", What("perturbed", "nc1"), 4.9),
    ("C9 released", "trades-released", What("clean", "nc1"), 1.9),
    ("C10", "st", What("clean", "nc1", layer="stage-2"), 10.0),
    ("C10", "st", What("perturbed", "ncc_accuracy", "clean", layer="stage-1"), 0.39),
    ("C10", "st", What("perturbed", "ncc_accuracy", "clean"), 0.31),
    ("C11", "st", What("clean", "nc1", split="test"), 1.9),
    ("C11", "at", What("clean", "nc1", split="test"), 3.9),
    ("C11", "at", What("perturbed", "nc1", split="test"), 9.9),
]


@pytest.mark.parametrize(("claim", "objective", "what", "value"), BEYOND)
def test_one_number_beyond_its_bound_contradicts(claim: str, objective: str, what: What, value: float) -> None:
    judgement = verdicts((objective, changed(objective, what, value)))[claim]
    assert judgement.verdict is Verdict.CONTRADICTED
    assert [number.met for number in judgement.numbers].count(False) == 1


@pytest.mark.parametrize(("objective", "claim"), [("at", "C8"), ("trades", "C9"), ("trades-released", "C9 released")])
def test_a_network_that_guesses_is_not_robust(objective: str, claim: str) -> None:
    """Its ratios are all 1."""
    guessing = of(objective) | {what: (0.1, 0.1) for what in of(objective) if "accuracy" in what.metric}
    assert verdicts((objective, guessing))[claim].verdict is Verdict.CONTRADICTED


def test_claims_about_collapse_do_not_speak_of_networks_that_do_not_fit_yet() -> None:
    for objective in ("st", "at"):
        found = verdicts((objective, changed(objective, What("clean", "accuracy"), 0.998)))
        bearing = {name for name, judgement in found.items() if judgement.numbers}
        assert bearing == ({"C1"} if objective == "st" else {"C6", "C7", "C8"})
    assert all(
        ("Only runs with at least 99.9%" in j.criterion) == (name in {"C2", "C3", "C4", "C5", "C10", "C11"})
        for name, j in found.items()
    )


def test_each_claim_says_where_its_bounds_come_from() -> None:
    found = verdicts(("st", of("st")), ("at", of("at")))
    assert set(REASONS) == set(found) and len(found) == 12
    for name, judgement in found.items():
        assert judgement.bounds.startswith(f"{ORIGIN} ") and judgement.bounds.endswith(REASONS[name][-1])
        of_geometry = {number.limit for number in judgement.numbers if re.match("NC1|angle|equiang|mean", number.name)}
        limits = of_geometry & {COLLAPSED, DESTROYED, SIMPLEX_LOST, ALIGNED}
        assert all(f"{limit:g}" in judgement.bounds for limit in limits), name
        assert ("99.9 % train accuracy" in judgement.bounds) == ("99.9%" in judgement.criterion), name


def test_the_pixels_are_no_early_layer() -> None:
    values = changed("st", What("perturbed", "ncc_accuracy", "clean", layer="pixels"), 0.9)
    assert verdicts(("st", values))["C10"].numbers[1].value == pytest.approx(0.1)


def test_relabelled_features_of_a_network_that_collapsed_a_thousandfold_may_not_stay_where_clean_ones_began() -> None:
    values = changed("st", What("clean", "nc1"), 0.01) | {What("relabelled", "nc1"): (10.0, 0.2)}
    judgement = verdicts(("st", values))["C3"]
    assert [number.met for number in judgement.numbers] == [False, True, True]


@pytest.mark.parametrize(("claim", "objective", "what", "value"), BEYOND)
def test_a_claim_of_which_a_number_is_missing_is_not_measured(
    claim: str, objective: str, what: What, value: float
) -> None:
    """Missing, or not a number; an attack that was not asked for (half of epsilon) is none that is missing."""
    values = of(objective)
    if what.shown != "half" and what.layer == "features":
        without = {key: pair for key, pair in values.items() if key != what}
        assert verdicts((objective, without))[claim].verdict is Verdict.NOT_MEASURED
    without = values | {what: (math.nan, math.nan)}
    assert verdicts((objective, without))[claim].verdict is Verdict.NOT_MEASURED


def test_collapse_under_an_attack_half_as_strong_is_judged_where_it_is_measured() -> None:
    without = {what: pair for what, pair in ST.items() if what.shown != "half"}
    judgement = verdicts(("st", without))["C2"]
    assert judgement.verdict is Verdict.SUPPORTED and len(judgement.numbers) == 2


def test_without_layers_c10_is_not_measured() -> None:
    without = {what: pair for what, pair in ST.items() if what.layer == "features"}
    found = verdicts(("st", without))
    assert found["C10"].verdict is Verdict.NOT_MEASURED and found["C1"].verdict is Verdict.SUPPORTED


def test_later_stages_may_not_stand_for_early_ones() -> None:
    """Of three stages the first two are early."""
    early = What("perturbed", "ncc_accuracy", "clean", layer="stage-1")
    assert verdicts(("st", changed("st", early, 0.2)))["C10"].verdict is Verdict.CONTRADICTED


def deep(*nearest: float) -> Values:
    """A run whose stages have these nearest-centre accuracies under attack, from the pixels on; NC1 falls along them."""
    without = {what: pair for what, pair in ST.items() if what.layer == "features"}
    layers = ["pixels", "stage-1", "stage-2", "stage-3", "stage-4"][: len(nearest)]
    nc1 = {What("clean", "nc1", layer=layer): (10.0, 9.0 - depth) for depth, layer in enumerate(layers)}
    stages = zip(layers, nearest, strict=True)
    accuracy = {What("perturbed", "ncc_accuracy", "clean", layer=layer): (0.1, value) for layer, value in stages}
    return without | nc1 | accuracy


@pytest.mark.parametrize(
    ("nearest", "best"),
    [
        ((0.9, 0.4), 0.4),
        ((0.9, 0.4, 0.8), 0.4),
        ((0.9, 0.4, 0.8, 0.7), 0.4),
        ((0.9, 0.4, 0.5, 0.8, 0.7), 0.5),
        ((0.9, 0.5, 0.4, 0.8, 0.7), 0.5),
    ],
)
def test_the_early_stages_are_the_first_half_without_the_pixels(nearest: tuple[float, ...], best: float) -> None:
    """A stage in the middle of an even number is none of them; with one stage, it is."""
    order, early = verdicts(("st", deep(*nearest)))["C10"].numbers
    assert early.value == pytest.approx(best - 0.3)
    assert order.value == pytest.approx(-1)


def test_an_early_stage_that_is_not_measured_leaves_no_best_one() -> None:
    assert verdicts(("st", deep(0.9, 0.5, math.nan, 0.8, 0.7)))["C10"].verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize("claim", ["C6", "C9"])
def test_perturbed_collapse_is_measured_against_clean_at_the_start(claim: str) -> None:
    objective = "at" if claim == "C6" else "trades"
    values = changed(objective, What("perturbed", "nc1"), 5.0, first=1000.0)
    assert verdicts((objective, values))[claim].verdict is Verdict.SUPPORTED


def test_every_run_that_a_claim_applies_to_must_meet_it() -> None:
    bad = changed("st", What("clean", "nc1"), 9.0)
    found = verdicts(("st", ST), ("st", bad), ("at", TRAINED_ON_PERTURBED))["C1"]
    assert found.verdict is Verdict.CONTRADICTED
    assert [number.run_id for number in found.numbers if not number.met] == ["1"]
    assert {number.run_id for number in found.numbers} == {"0", "1"}
    assert [found.of(run_id) for run_id in "012"] == [Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.NOT_MEASURED]
    both = verdicts(("st", ST), ("st", ST))["C1"]
    assert both.verdict is Verdict.SUPPORTED
    assert [(epoch, number.run_id) for epoch, number in both.course] == [(0, "0"), (60, "0"), (0, "1"), (60, "1")]


def test_a_run_at_its_initialisation_is_left_out() -> None:
    start = frame("1", ST)
    values = pd.concat([frame("0", ST), start[start["epoch"] == 0]])
    found = judge_each_claim(table("st", "st"), values)[0]
    assert found.verdict is Verdict.SUPPORTED and {n.run_id for n in found.numbers} == {"0"}


def test_each_run_is_judged_at_its_own_last_epoch() -> None:
    bad = changed("st", What("clean", "nc1"), 9.9, 9.9)
    longer = pd.concat([frame("1", ST, (0, 90)), frame("1", bad, (20, 40))])
    found = judge_each_claim(table("st", "st"), pd.concat([frame("0", ST), longer]).sample(frac=1, random_state=0))[0]
    assert found.verdict is Verdict.SUPPORTED
    cut = longer[longer["epoch"] <= 40]
    assert judge_each_claim(table("st", "st"), pd.concat([frame("0", ST), cut]))[0].verdict is Verdict.CONTRADICTED


def test_the_start_is_the_initialisation() -> None:
    """A run whose epoch 0 is not measured has no start to be compared with."""
    assert judge_each_claim(table("st"), frame("0", ST, (30, 60)))[0].verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize("metric", ["nc1", "nc2_equiangularity"])
def test_a_collapse_to_exactly_zero_breaks_nothing(metric: str) -> None:
    found = verdicts(("st", changed("st", What("clean", metric), 0.0)))
    assert found["C1"].verdict is Verdict.SUPPORTED
    assert found["C2"].verdict is Verdict.SUPPORTED


def test_a_start_at_exactly_zero_breaks_nothing() -> None:
    values = changed("at", What("clean", "nc1"), 0.0, first=0.0)
    assert verdicts(("at", values))["C6"].verdict is not Verdict.SUPPORTED
    nc4 = changed("st", What("clean", "nc4"), 0.01, first=0.0)
    assert verdicts(("st", nc4))["C1"].verdict is Verdict.CONTRADICTED


def test_a_ratio_to_zero_is_infinite_and_that_of_zero_to_zero_is_no_number() -> None:
    assert ratio(3.0, 2.0) == 1.5 and ratio(0.0, 2.0) == 0.0
    assert ratio(1.0, 0.0) == ratio(1e-9, 0.0) == math.inf
    assert math.isnan(ratio(0.0, 0.0)) and math.isnan(ratio(math.nan, 0.0)) and math.isnan(ratio(math.nan, 2.0))


@pytest.mark.parametrize(
    ("state", "last", "verdict"),
    [
        ("running", 1, Verdict.TOO_EARLY),
        ("running", 59, Verdict.TOO_EARLY),
        ("interrupted", 30, Verdict.TOO_EARLY),
        ("running", 60, Verdict.SUPPORTED),
        ("finished", 1, Verdict.TOO_EARLY),
        ("finished", 2, Verdict.SUPPORTED),
        ("finished", 30, Verdict.SUPPORTED),
    ],
)
def test_a_run_under_way_and_one_after_a_single_epoch_have_numbers_and_no_verdict(
    state: str, last: int, verdict: Verdict
) -> None:
    """An epoch of a finished run that somebody selected is judged."""
    judgement = judge_each_claim(
        table("at").assign(state=state, epochs=60), frame("0", TRAINED_ON_PERTURBED, (0, last))
    )[6]
    assert judgement.claim == "C7" and judgement.numbers and judgement.course
    assert judgement.verdict is judgement.of("0") is verdict
    assert judgement.unjudged == ({"0": Reason.TOO_EARLY} if verdict is Verdict.TOO_EARLY else {})
    assert (judgement.deciding() is None) == (verdict is Verdict.TOO_EARLY)


def test_a_run_under_way_changes_nothing_about_a_verdict_on_others() -> None:
    runs = table("at", "at").assign(state=["finished", "running"], epochs=60)
    bad = changed("at", What("perturbed", "angle", "clean"), 9.0)
    judgement = judge_each_claim(runs, pd.concat([frame("0", TRAINED_ON_PERTURBED), frame("1", bad, (0, 10))]))[6]
    assert judgement.verdict is Verdict.SUPPORTED and judgement.of("1") is Verdict.TOO_EARLY


def test_a_run_under_way_says_nothing_about_why_another_is_not_judged() -> None:
    runs = table("at", "st").assign(state=["running", "finished"], epochs=60)
    judgement = judge_each_claim(runs, pd.concat([frame("0", TRAINED_ON_PERTURBED, (0, 10)), frame("1", ST)]))[6]
    assert judgement.of("0") is judgement.verdict is Verdict.TOO_EARLY
    assert judgement.of("1") is Verdict.NOT_MEASURED


def test_a_run_that_does_not_say_its_state_counts_as_trained_to_its_end() -> None:
    runs = table("at").assign(epochs=60)
    assert judge_each_claim(runs, frame("0", TRAINED_ON_PERTURBED, (0, 30)))[6].verdict is Verdict.SUPPORTED


def test_a_run_without_any_number_is_not_measured_or_too_early() -> None:
    """One of a single planned epoch, too, as long as it is under way."""
    nothing = frame("another", {What("clean", "nc1"): (1.0, 1.0)})
    assert judge_each_claim(table("at"), nothing)[6].unjudged == {"0": Reason.NOT_MEASURED}
    for planned in (1, 60):
        runs = table("at").assign(state="running", epochs=planned)
        assert judge_each_claim(runs, nothing)[6].unjudged == {"0": Reason.TOO_EARLY}


def test_a_run_of_one_epoch_is_judged_after_it() -> None:
    runs = table("at").assign(state="finished", epochs=1)
    assert judge_each_claim(runs, frame("0", TRAINED_ON_PERTURBED, (0, 1)))[6].verdict is Verdict.SUPPORTED


def test_a_claim_says_why_it_does_not_judge_a_run() -> None:
    unfitted = changed("st", What("clean", "accuracy"), 0.5)
    missing = {what: pair for what, pair in ST.items() if what.shown != "gaussian"}
    reasons = verdicts(("st", unfitted), ("at", TRAINED_ON_PERTURBED), ("st", missing), ("st", ST))["C5"].unjudged
    assert reasons == {"0": Reason.NOT_FITTED, "1": Reason.OTHER_TRAINING, "2": Reason.NOT_MEASURED}
    unknown = {what: pair for what, pair in ST.items() if what != What("clean", "accuracy")}
    assert verdicts(("st", unknown))["C5"].unjudged == {"0": Reason.NOT_MEASURED}
    begun = judge_each_claim(table("st").assign(state="running", epochs=90), frame("0", unfitted))[4]
    assert begun.unjudged == {"0": Reason.TOO_EARLY}
    start = judge_each_claim(table("st").assign(state="running", epochs=60), frame("0", ST, (-1, 0)))[4]
    assert start.unjudged == {"0": Reason.TOO_EARLY} and start.verdict is Verdict.TOO_EARLY


def test_the_deciding_number_is_the_one_furthest_beyond_its_bound_or_the_main_one() -> None:
    supported = verdicts(("st", ST))["C4"].deciding()
    assert supported is not None and supported.name == "angle to the target's vertex (rad)" and supported.margin == 0
    assert supported.value_and_bound_in_words == "0.3, where at most 0.3 is allowed"
    values = changed("st", What("targeted", "angle", "clean"), 0.36) | {What("targeted", "nc1"): (10.0, 3.0)}
    contradicted = verdicts(("st", values))["C4"].deciding()
    assert contradicted is not None and contradicted.name == "NC1 targeted / clean at start"
    assert contradicted.margin == pytest.approx(-0.5)
    nc1 = verdicts(("st", ST))["C2"].deciding()
    assert nc1 is not None and nc1.value_and_bound_in_words == "10, where at least 10 is needed"


def test_a_claim_whose_main_number_is_measured_at_one_epoch_alone_has_a_deciding_one() -> None:
    """Of those that are met it is the main one, although another is nearer to its bound."""
    values = changed("at", What("perturbed", "nc1"), 1.0, first=math.nan)
    judgement = verdicts(("at", values))["C6"]
    assert [epoch for epoch, _number in judgement.course] == [60]
    deciding = judgement.deciding()
    assert deciding is not None and deciding.name == "NC1 perturbed now / clean at start"
