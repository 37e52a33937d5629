"""Labels of runs and epochs."""

import json

import pandas as pd

from rnc.ui.run_labels import describe_epochs, labels_over_seeds
from tests.rnc.ui.test_default_runs import MARKS, SETTING


def named(*configs: dict) -> list[str]:
    full = [SETTING | {"objective": "st", "seed": 1, "name": ""} | MARKS | config for config in configs]
    rows = [
        config | {"run_id": f"run-{place}", "config": json.dumps({n: v for n, v in config.items() if n not in MARKS})}
        for place, config in enumerate(full)
    ]
    return list(labels_over_seeds(pd.DataFrame(rows)).values())


def test_runs_that_differ_by_the_seed_alone_share_a_name() -> None:
    assert named({"seed": 1}, {"seed": 2}, {"objective": "at"}) == ["ST", "ST", "AT"]
    assert named({"seed": 1}, {"seed": 2, "width": 0.5}) == ["ST · width 1", "ST · width 0.5"]


def test_runs_that_differ_in_what_is_not_told_keep_names_of_their_own() -> None:
    first, second = named({"seed": 1, "momentum": 0.9}, {"seed": 2, "momentum": 0.8})
    assert first != second


def test_a_run_with_a_name_is_called_so() -> None:
    assert named({"objective": "own", "name": "mine"}, {"seed": 2}) == ["mine", "ST"]
    assert len({*named({"name": "mine"}, {"name": "mine", "seed": 2, "width": 0.5})}) == 2, "of one name, two labels"


def test_a_run_of_the_gallery_says_so_beside_ones_own() -> None:
    assert named({"published": True}, {"published": False, "seed": 2}) == ["ST · gallery", "ST"]


def test_a_made_up_run_says_so_even_where_all_are() -> None:
    assert named({"synthetic": True}, {"synthetic": True, "seed": 2}) == ["ST · synthetic", "ST · synthetic"]
    assert named({"synthetic": True}, {"seed": 2}) == ["ST · synthetic", "ST"]


def test_equal_epochs_are_stated_once() -> None:
    assert describe_epochs({"ST": 4, "AT": 4}) == "all at epoch 4"
    assert describe_epochs({"ST": 4, "AT": 3}) == "ST at epoch 4, AT at epoch 3"
    assert describe_epochs({"ST": 4}) == "ST at epoch 4"
