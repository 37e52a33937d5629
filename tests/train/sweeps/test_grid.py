"""A grid is what its command line says: every combination, once."""

from itertools import product

import pytest

from tests.train.small import FLAGS, SMALL
from train.config import RunConfig
from train.named_run_sets import paper_runs
from train.sweeps.grid import grid, multiplied


def test_fields_with_several_values_are_multiplied() -> None:
    found, command = grid(["--seed", "1,2,3", "--objective=st,at", *FLAGS, "--device", "cpu"])
    wanted = {(seed, objective) for seed, objective in product((1, 2, 3), ("st", "at"))}
    assert {(config.seed, str(config.objective)) for config in found} == wanted and len(found) == 6
    assert {config.umap for config in found} == {False} and command.device == "cpu"
    assert found[0].sample_size == SMALL.sample_size


def test_what_is_given_overrides_a_recipe_and_what_is_not_stays() -> None:
    found, _ = grid(["demo", "--epochs", "3", "--seed", "5,6"])
    assert len(found) == 6 and {config.epochs for config in found} == {3}
    assert {str(config.objective) for config in found} == {"st", "at", "trades"}


def test_paper_is_its_126_runs() -> None:
    found, _ = grid(["paper"])
    assert [config.run_id for config in found] == [make().run_id for make in paper_runs().values()] and len(
        found
    ) == 126


def test_epochs_are_lists_and_several_words_are_one_value() -> None:
    flags = ["--measured-epochs", "0,1,5", "--lr-drops", "0.5", "0.75", "--seed", "1,2"]
    assert multiplied(flags) == [[*flags[:-1], "1"], [*flags[:-1], "2"]]


def test_the_same_run_twice_is_one() -> None:
    assert len(grid(["--seed", "1,1"])[0]) == 1
    assert grid([])[0] == [RunConfig()]


@pytest.mark.parametrize("wrong", [["--seed", "1,x"], ["nothing-such"], ["--epochs", "3,-1"]])
def test_what_is_wrong_is_said(wrong: list[str]) -> None:
    with pytest.raises((ValueError, SystemExit)):
        grid(wrong)
