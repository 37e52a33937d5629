"""Every recipe names runs that differ, can be built, and are what its docstring says."""

import pytest

from rnc.vocabulary import Objective
from train.named_run_sets import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_set_of_different_runs(name: str) -> None:
    configs = RECIPES[name]()
    assert configs and len({config.run_id for config in configs}) == len(configs)
    assert [config.run_id for config in RECIPES[name]()] == [config.run_id for config in configs]
    assert RECIPES[name].__doc__


def test_the_demo_compares_the_papers_three_ways_of_training() -> None:
    configs = RECIPES["demo"]()
    assert [config.objective for config in configs] == [Objective.ST, Objective.AT, Objective.TRADES], "ST is first"
    assert len({(c.dataset, c.norm, c.epsilon, c.steps, c.seed, c.epochs) for c in configs}) == 1


def test_the_tiny_recipe_is_tiny() -> None:
    (config,) = RECIPES["tiny"]()
    assert config.epochs <= 2 and config.steps <= 3 and not config.umap
