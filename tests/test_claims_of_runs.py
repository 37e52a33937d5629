"""Every claim's rule on real runs: one that it must call contradicted, and a store where it must say not measured."""

from pathlib import Path

import pandas as pd
import pytest

from rnc.claims import USED, Judgement, Verdict, judge_each_claim
from rnc.store.reader import StoreReader
from train.run import main

FITTED = ("--subset", "100", "--batch-size", "20", "--epochs", "40", "--lr-drops", "0.9", "--measured-epochs", "0,40")
WEAK, STRONG = ("--epsilon", str(0.1 / 255)), ("--epsilon", "1.0")


@pytest.fixture(scope="module")
def attacked_too_weakly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A standard network beyond zero training error, under an attack of a tenth of a grey level."""
    return trained(tmp_path_factory.mktemp("weak"), *WEAK)


@pytest.fixture(scope="module")
def attacked_too_strongly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same under perturbations, noise among them, as large as all that a pixel can be."""
    return trained(tmp_path_factory.mktemp("strong"), *STRONG)


def trained(folder: Path, *attack: str) -> Path:
    store = folder / "rnc.duckdb"
    assert main(["tiny", "--store", str(store), *FITTED, *attack]) == 0
    return store


def judged(store: Path, objective: str, presented_as: str) -> dict[str, Judgement]:
    """The claims on the store's run of an objective, presented as one that was trained in another way."""
    reader = StoreReader(store)
    runs = reader.runs.all().query("objective == @objective").assign(objective=presented_as)
    evidence = reader.metrics.evidence(list(runs["run_id"]), [str(metric) for metric in USED], cursor=10**6)
    return {judgement.claim: judgement for judgement in judge_each_claim(pd.DataFrame(runs), evidence)}


@pytest.mark.parametrize(
    ("claim", "store", "objective", "presented_as"),
    [
        ("C1", "tiny_store", "st", "st"),  # two epochs: it has not collapsed
        ("C2", "attacked_too_weakly", "st", "st"),  # the attack breaks nothing
        ("C3", "demo_store", "st", "st"),  # on digits the features do not come close enough to the other vertices
        ("C4", "demo_store", "st", "st"),
        ("C5", "attacked_too_strongly", "st", "st"),  # such noise is no small matter
        ("C6", "demo_store", "st", "at"),  # standard training: nothing of it holds under attack
        ("C7", "demo_store", "st", "at"),
        ("C8", "demo_store", "st", "at"),
        ("C9", "demo_store", "st", "trades"),
        ("C9 released", "demo_store", "at", "trades-released"),  # it collapses
        ("C10", "attacked_too_weakly", "st", "st"),  # the last layer resists as well as the early ones
        ("C11", "demo_store", "st", "st"),  # test digits look like the training digits
    ],
)
def test_a_real_run_contradicts(
    claim: str, store: str, objective: str, presented_as: str, request: pytest.FixtureRequest
) -> None:
    judgement = judged(request.getfixturevalue(store), objective, presented_as)[claim]
    assert judgement.verdict is Verdict.CONTRADICTED, judgement.numbers


@pytest.mark.parametrize(
    ("store", "objective", "not_measured"),
    [
        ("tiny_store", "st", {"C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C9 released", "C10", "C11"}),
        ("demo_store", "at", {"C1"}),
    ],
)
def test_a_store_without_the_runs_that_a_claim_speaks_of(
    store: str, objective: str, not_measured: set[str], request: pytest.FixtureRequest
) -> None:
    """No such run, or none that has gone so far."""
    found = judged(request.getfixturevalue(store), objective, objective)
    assert not_measured <= {claim for claim, judgement in found.items() if judgement.verdict is Verdict.NOT_MEASURED}
