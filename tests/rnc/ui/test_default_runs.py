"""The runs that are selected before the user has chosen any."""

import pandas as pd
import pytest

from rnc.ui.default_runs import one_of_each_objective

SETTING = {"dataset": "cifar10", "model": "vgg", "width": 1.0, "subset": 0, "norm": "linf", "epochs": 400}
MARKS = {"published": False, "synthetic": False}


def chosen(*runs: dict) -> list[str]:
    """The newest run first, each named by its place."""
    rows = [SETTING | MARKS | run | {"run_id": str(place)} for place, run in enumerate(runs)]
    return one_of_each_objective(pd.DataFrame(rows))


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
