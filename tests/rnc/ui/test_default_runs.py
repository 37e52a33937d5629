"""The runs that are selected before the user has chosen any."""

from pathlib import Path

import pandas as pd
import pytest

from rnc.store.errors import StoreError
from rnc.ui import default_runs
from rnc.ui.default_runs import choose_default_runs, comparable_runs_across_objectives

SETTING = {"dataset": "cifar10", "model": "vgg", "width": 1.0, "subset": 0, "norm": "linf", "epochs": 400}
MARKS = {"published": False, "synthetic": False}
DONE, YOUNG = {"state": "finished", "epochs_done": 400}, {"state": "running", "epochs_done": 1}
GALLERY = [{"objective": name, "published": True} | DONE for name in ("st", "at", "trades")]


def chosen(*runs: dict) -> list[str]:
    """The newest run first, each named by its place."""
    rows = [SETTING | MARKS | run | {"run_id": str(place)} for place, run in enumerate(runs)]
    return comparable_runs_across_objectives(pd.DataFrame(rows))


def selected(*runs: dict) -> list[str]:
    """The default selection of the store's runs and the gallery's, each named by its origin and its place."""
    rows = [SETTING | MARKS | run | {"run_id": f"{place}"} for place, run in enumerate(runs)]
    rows += [SETTING | MARKS | run | {"run_id": f"gallery {run['objective']}"} for run in GALLERY]
    return choose_default_runs(pd.DataFrame(rows))


def test_one_of_each_objective_standard_training_first_and_unknown_ones_last() -> None:
    assert chosen({"objective": "at"}, {"objective": "trades"}, {"objective": "st"}) == ["2", "0", "1"]
    of_others = [{"objective": name} for name in ("another", "trades-released", "trades", "st", "at")]
    assert chosen(*of_others) == ["3", "4", "2", "1", "0"]


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


ALL_OF_THE_GALLERY = ["gallery st", "gallery at", "gallery trades"]


@pytest.mark.parametrize(
    ("runs", "joined"),
    [
        ([], []),
        ([{"objective": "st"} | YOUNG, {"objective": "at"} | YOUNG], []),
        ([{"objective": "at"} | YOUNG, {"objective": "st"} | DONE], ["1"]),
        ([{"objective": "at"} | DONE, {"objective": "trades"} | DONE], ["0", "1"]),
        ([{"objective": "st"} | YOUNG | {"state": "interrupted"}, {"objective": "at"} | DONE], ["1"]),
    ],
)
def test_the_gallery_is_shown_until_the_store_has_a_comparison_and_runs_join_it_when_they_are_done(
    runs: list[dict], joined: list[str]
) -> None:
    assert selected(*runs) == [*ALL_OF_THE_GALLERY, *joined]


def test_a_comparison_of_the_store_takes_the_place_of_the_gallery_and_a_third_run_joins_when_it_is_done() -> None:
    comparison = [{"objective": "st"} | DONE, {"objective": "at"} | DONE]
    assert selected({"objective": "trades"} | YOUNG, *comparison) == ["1", "2"]
    assert selected({"objective": "trades"} | DONE, *comparison) == ["1", "2", "0"]


def test_a_run_at_its_last_epoch_is_done() -> None:
    last = {"state": "running", "epochs_done": 400}
    assert selected({"objective": "st"} | last, {"objective": "at"} | last) == ["0", "1"]


def test_an_external_network_is_shown_alone() -> None:
    assert selected({"objective": "own"} | DONE) == ["0"]


def test_without_a_gallery_runs_under_way_are_shown() -> None:
    rows = [SETTING | MARKS | {"objective": name, "run_id": name} | YOUNG for name in ("at", "st")]
    assert choose_default_runs(pd.DataFrame(rows)) == ["st", "at"]
    rows[1] |= DONE
    assert choose_default_runs(pd.DataFrame(rows)) == ["st", "at"]


def test_a_store_that_vanishes_between_two_reads_is_an_error_that_says_so(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The selection is not kept: the store may come back."""
    monkeypatch.setenv("RNC_GALLERY", "")
    monkeypatch.setenv("RNC_STORE", str(tiny_store))
    offered = tuple(default_runs.measured_and_default_runs()[0]["run_id"])
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "vanished.duckdb"))
    with pytest.raises(StoreError, match="was deleted while the store was read"):
        default_runs._complete_selection(offered, ())
