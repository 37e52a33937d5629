"""What the demo must show, read from the store that the real demo filled."""

from pathlib import Path

import pandas as pd
import pytest

from rnc.claims import USED, Verdict, judge
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Objective, Role, Split


def last(store: Path, objective: Objective, shown: Role, metric: Metric, split: Split, means: str = "own") -> float:
    """A value at the end of the demo's run of an objective."""
    reader = StoreReader(store)
    run_id = reader.runs().set_index("objective").loc[str(objective), "run_id"]
    values = reader.last_values([metric], split)
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
    runs = StoreReader(demo_store).runs()
    assert sorted(runs["objective"]) == ["at", "st", "trades"]
    assert runs["epsilon"].nunique() == 1
    attacks = StoreReader(demo_store).conditions(list(runs["run_id"]))
    assert attacks[attacks["role"] == Role.PERTURBED]["condition"].nunique() == 1


@pytest.mark.parametrize("claim", ["C1", "C2", "C6", "C7"])
def test_claims_are_supported(claim: str, demo_store: Path) -> None:
    """The findings page's cards."""
    reader = StoreReader(demo_store)
    runs = reader.runs()
    own = reader.curves(list(runs["run_id"]), ["clean", "perturbed"], Split.TRAIN, list(USED))
    angle = reader.against_clean(list(runs["run_id"]), ["perturbed"], Split.TRAIN, [Metric.ANGLE])
    judged = {j.claim: j for j in judge(runs, pd.concat([own, angle]))}
    assert judged[claim].verdict is Verdict.SUPPORTED, judged[claim].numbers
