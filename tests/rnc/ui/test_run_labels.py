"""Labels of runs and epochs."""

import json

import pandas as pd

from rnc.ui.run_labels import describe_epochs, describe_run, earlier_label_by_run_id, labels_over_seeds, run_labels
from tests.rnc.ui.test_default_runs import MARKS, SETTING


def table(*configs: dict) -> pd.DataFrame:
    full = [SETTING | {"objective": "st", "seed": 1, "name": ""} | MARKS | config for config in configs]
    rows = [
        config | {"run_id": f"run-{place}", "config": json.dumps({n: v for n, v in config.items() if n not in MARKS})}
        for place, config in enumerate(full)
    ]
    return pd.DataFrame(rows)


def named(*configs: dict) -> list[str]:
    return list(labels_over_seeds(table(*configs)).values())


def labelled(*configs: dict) -> list[str]:
    return list(run_labels(table(*configs)).values())


def test_a_label_has_the_seed_only_where_it_tells_runs_apart() -> None:
    assert labelled({"seed": 1}, {"objective": "at", "seed": 1}, {"objective": "at", "seed": 2}) == [
        "ST",
        "AT · seed 1",
        "AT · seed 2",
    ]
    assert labelled({"seed": 1}, {"objective": "at", "seed": 2}) == ["ST", "AT"]


def test_a_label_has_no_more_fields_than_are_needed() -> None:
    """Fields that follow from the data set are left out; a field in which only one data set's runs differ is stated for these."""
    digits = {"dataset": "digits", "model": "small_cnn", "width": 2.0}
    assert labelled(digits, {"objective": "at"}, {}) == ["ST · digits", "AT · CIFAR-10", "ST · CIFAR-10"]
    assert labelled(digits, {"subset": 500}, {"subset": 2000}) == [
        "ST · digits",
        "ST · CIFAR-10 · 500 images",
        "ST · CIFAR-10 · 2,000 images",
    ]
    assert labelled({"norm": "linf"}, {"norm": "l2", "objective": "at"}) == ["ST · ℓ∞", "AT · ℓ2"]


def test_runs_that_differ_in_nothing_shown_get_the_ends_of_their_ids() -> None:
    assert labelled({}, {}) == ["ST · 0", "ST · 1"]


def test_a_description_has_what_matters_when_a_run_is_chosen() -> None:
    run = table({"objective": "at", "seed": 3}).to_dict("records")[0] | {
        "epsilon": 8 / 255,
        "epochs": 200,
        "started_at": pd.Timestamp("2026-11-02 12:00"),
        "published": True,
    }
    assert describe_run(run) == "AT · CIFAR-10 · ε 8/255 · 200 epochs · seed 3 · 2026-11-02 · gallery"
    own = run | {"objective": "own", "name": "mine", "published": False, "epsilon": None, "synthetic": True}
    assert describe_run(own) == "mine · external · CIFAR-10 · seed 3 · 2026-11-02 · synthetic"
    assert " · ℓ2 ε 0.5 · " in describe_run(run | {"norm": "l2", "epsilon": 0.5})


def test_the_labels_of_earlier_versions() -> None:
    runs = table({"seed": 1}, {"objective": "at", "seed": 2, "published": True}, {"name": "mine"})
    assert list(earlier_label_by_run_id(runs).values()) == ["ST seed 1", "AT seed 2 (gallery)", "mine"]


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
