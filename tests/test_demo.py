"""Tests of the results that the demo must show, read from the store that the real demo filled."""

from pathlib import Path

import pandas as pd

from docs import readme_figures
from rnc.claims import USED, Verdict, judge_each_claim
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Objective, Role, Split


def last(store: Path, objective: Objective, shown: Role, metric: Metric, split: Split, means: str = "own") -> float:
    """A value at the end of the demo's run of an objective."""
    reader = StoreReader(store)
    run_id = reader.runs.all().set_index("objective").loc[str(objective), "run_id"]
    values = reader.metrics.last_values([metric], split)
    chosen = values[(values["run_id"] == run_id) & (values["shown"] == shown) & (values["means"] == means)]
    return float(chosen["value"].iloc[0])


def test_standard_training_collapses_and_breaks(demo_store: Path) -> None:
    """ST: full train accuracy, NC1 at least 30 times larger under attack, class means turned by 0.7 rad or more."""
    assert last(demo_store, Objective.ST, Role.CLEAN, Metric.ACCURACY, Split.TRAIN) == 1.0
    clean = last(demo_store, Objective.ST, Role.CLEAN, Metric.NC1, Split.TRAIN)
    assert last(demo_store, Objective.ST, Role.PERTURBED, Metric.NC1, Split.TRAIN) >= 30 * clean
    assert last(demo_store, Objective.ST, Role.PERTURBED, Metric.ANGLE, Split.TRAIN, "clean") >= 0.7


def test_adversarial_training_holds(demo_store: Path) -> None:
    """AT: class means stay within 0.3 rad, and four of five test images withstand PGD."""
    assert last(demo_store, Objective.AT, Role.PERTURBED, Metric.ANGLE, Split.TRAIN, "clean") <= 0.3
    assert last(demo_store, Objective.AT, Role.PERTURBED, Metric.ACCURACY, Split.TEST) >= 0.8


def test_one_epsilon_for_all(demo_store: Path) -> None:
    """All three runs were trained and measured under the same attack."""
    runs = StoreReader(demo_store).runs.all()
    assert sorted(runs["objective"]) == ["at", "st", "trades"]
    assert runs["epsilon"].nunique() == 1
    attacks = StoreReader(demo_store).runs.conditions(list(runs["run_id"]))
    assert attacks[attacks["role"] == Role.PERTURBED]["condition"].nunique() == 1


SUPPORTED = ["C1", "C2", "C5", "C6", "C7", "C8", "C10"]
CONTRADICTED = ["C3", "C4", "C9", "C11"]


def test_verdicts(demo_store: Path) -> None:
    """The findings page's cards: what the paper saw on natural images is not all to be seen on 8 x 8 digits."""
    reader = StoreReader(demo_store)
    runs = reader.runs.all()
    evidence = reader.metrics.evidence(list(runs["run_id"]), list(USED), 60)
    expected = dict.fromkeys(SUPPORTED, Verdict.SUPPORTED) | dict.fromkeys(CONTRADICTED, Verdict.CONTRADICTED)
    found = {judgement.claim: judgement.verdict for judgement in judge_each_claim(runs, evidence)}
    assert found == expected | {"C9 released": Verdict.NOT_MEASURED}


def test_the_demo_lies_inside_the_ranges_of_the_readme(demo_store: Path) -> None:
    """The README's table is made of the recorded trainings; other machines and versions stay within its margins."""
    recorded, found = pd.read_csv(readme_figures.TRAININGS), readme_figures.rows_of_demo(StoreReader(demo_store))
    assert readme_figures.numbers(recorded) in (readme_figures.ROOT / "README.md").read_text()
    assert readme_figures.outside(found, recorded).empty


def test_a_number_outside_the_ranges_is_seen() -> None:
    recorded = pd.read_csv(readme_figures.TRAININGS)
    found = recorded[(recorded["processor"] == "AVX2") & (recorded["seed"] == 1)].reset_index(drop=True)
    assert readme_figures.outside(found, recorded).empty
    for name, wrong in {"nc1_pgd_train": 30.0, "accuracy_clean_train": 0.95, "angle_pgd_train": 0.3}.items():
        changed = found.assign(**{name: wrong})
        assert name in set(readme_figures.outside(changed, recorded)["column"])
