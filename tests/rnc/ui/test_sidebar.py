"""Which runs are shown before anybody has chosen, and under which names."""

import json

import pandas as pd
import pytest

from rnc.ui.run_labels import labels_over_seeds
from rnc.ui.sidebar import _one_of_each_objective, told_epochs

SETTING = {"dataset": "cifar10", "model": "vgg", "width": 1.0, "subset": 0, "norm": "linf", "epochs": 400}
MARKS = {"published": False, "synthetic": False}


def chosen(*runs: dict) -> list[str]:
    """The newest run first, each named by its place."""
    rows = [SETTING | MARKS | run | {"run_id": str(place)} for place, run in enumerate(runs)]
    return _one_of_each_objective(pd.DataFrame(rows))


def test_one_of_each_objective_standard_training_first() -> None:
    assert chosen({"objective": "at"}, {"objective": "trades"}, {"objective": "st"}) == ["2", "0", "1"]


def test_the_newest_of_an_objective() -> None:
    assert chosen({"objective": "st"}, {"objective": "at"}, {"objective": "st"}) == ["0", "1"]


@pytest.mark.parametrize("field", ["dataset", "model", "width", "subset", "norm", "epochs"])
def test_runs_of_one_setting(field: str) -> None:
    """Not the newest run, but those that compare."""
    other = {field: 2 if isinstance(SETTING[field], int | float) else "another"}
    assert chosen({"objective": "st"} | other, {"objective": "st"}, {"objective": "at"}) == ["1", "2"]


def test_of_two_settings_the_longer_then_the_newer() -> None:
    short = {"epochs": 80}
    assert chosen({"objective": "st"} | short, {"objective": "st"}) == ["1"]
    assert chosen({"objective": "st", "model": "resnet"}, {"objective": "st"}) == ["0"]


def test_the_gallery_only_where_there_is_nothing_else() -> None:
    gallery = {"published": True}
    assert chosen({"objective": "st"} | gallery, {"objective": "at"} | gallery, {"objective": "st"}) == ["2"]
    assert chosen({"objective": "st"} | gallery, {"objective": "at"} | gallery) == ["0", "1"]


def test_made_up_runs_only_where_there_is_nothing_else() -> None:
    made_up = {"synthetic": True}
    assert chosen({"objective": "st"} | made_up, {"objective": "at"} | made_up, {"objective": "st"}) == ["2"]
    assert chosen({"objective": "st"} | made_up, {"objective": "at", "published": True}) == ["0"]


def named(*configs: dict) -> list[str]:
    full = [SETTING | {"objective": "st", "seed": 1, "name": ""} | MARKS | config for config in configs]
    rows = [
        config | {"run_id": f"run-{place}", "config": json.dumps({n: v for n, v in config.items() if n not in MARKS})}
        for place, config in enumerate(full)
    ]
    return list(labels_over_seeds(pd.DataFrame(rows)).values())


def test_runs_that_differ_by_the_seed_alone_share_a_name() -> None:
    assert named({"seed": 1}, {"seed": 2}, {"objective": "at"}) == ["ST", "ST", "AT"]
    assert named({"seed": 1}, {"seed": 2, "width": 0.5}) == ["ST width 1", "ST width 0.5"]


def test_runs_that_differ_in_what_is_not_told_keep_names_of_their_own() -> None:
    first, second = named({"seed": 1, "momentum": 0.9}, {"seed": 2, "momentum": 0.8})
    assert first != second


def test_a_run_with_a_name_is_called_so() -> None:
    assert named({"objective": "own", "name": "mine"}, {"seed": 2}) == ["mine", "ST"]
    assert len({*named({"name": "mine"}, {"name": "mine", "seed": 2, "width": 0.5})}) == 2, "of one name, two labels"


def test_a_run_of_the_gallery_says_so_beside_ones_own() -> None:
    assert named({"published": True}, {"published": False, "seed": 2}) == ["ST (gallery)", "ST"]


def test_a_made_up_run_says_so_even_where_all_are() -> None:
    assert named({"synthetic": True}, {"synthetic": True, "seed": 2}) == ["ST (synthetic)", "ST (synthetic)"]
    assert named({"synthetic": True}, {"seed": 2}) == ["ST (synthetic)", "ST"]


def test_epochs_are_told_once_where_they_are_one() -> None:
    assert told_epochs({"ST": 4, "AT": 4}) == "all at epoch 4"
    assert told_epochs({"ST": 4, "AT": 3}) == "ST at epoch 4, AT at epoch 3"
    assert told_epochs({"ST": 4}) == "ST at epoch 4"
