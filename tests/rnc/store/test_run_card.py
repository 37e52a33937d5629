"""The card of a run, line by line, of a trained and of an external network."""

import json
from typing import Any

import pandas as pd
import pytest

from rnc.store.run_card import module_and_arguments, run_card, without_folders

TRAINED = {"objective": "at", "seed": 3, "epochs": 4, "epsilon": 0.1, "umap": False, "measured_epochs": [0, 4]}
EXTERNAL = {
    "objective": "own",
    "seed": 0,
    "epochs": 1,
    "dataset": "digits",
    "compiled": True,
    "own": {
        "name": "",
        "typed": {"checkpoint": "/home/me/nets/net one.safetensors", "classifier": "head", "data": ["/a/b", "/c/d"]},
        "images": {"data": "/a/images", "test_data": None, "kind": "folder"},
    },
}


def run_of(config: dict[str, Any]) -> pd.Series:
    return pd.Series(
        {
            "run_id": "a",
            "config": json.dumps(config),
            "versions": json.dumps({"python": "3.12", "torch": "2"}),
            "epochs_done": 4,
            "finished_at": pd.Timestamp("2024-05-06 07:08:09"),
            "wall_seconds": 90.0,
            "device": "cpu (x)",
            "threads": 2,
            "execution": "float32",
            "git_commit": "abc",
            "data": "{}",
        }
    )


RESULTS = pd.DataFrame(
    [("nc1", "clean", "train", 0.123456), ("nc1", "perturbed", "train", 2.0), ("accuracy", "clean", "train", 1.0)],
    columns=["metric", "role", "split", "value"],
)


def test_the_card_of_a_trained_network() -> None:
    assert run_card(run_of(TRAINED), RESULTS).splitlines() == [
        "# a",
        "",
        "| | |",
        "|---|---|",
        "| objective | at |",
        "| seed | 3 |",
        "| epochs | 4 of 4 |",
        "| finished (UTC) | 2024-05-06 07:08 |",
        "| wall time | 90 s |",
        "| device | cpu (x), 2 threads, float32 |",
        "| commit | abc |",
        "| versions | python 3.12, torch 2 |",
        "| data | `{}` |",
        "",
        "| at the last epoch | clean, train | perturbed, train |",
        "|---|---|---|",
        "| accuracy | 1 | nan |",
        "| nc1 | 0.1235 | 2 |",
        "",
        "Trained by (`--data-root` names the folder of images where it is not the usual one):",
        "```",
        "python -m train.run --objective at --seed 3 --epochs 4 --epsilon 0.1 --no-umap --measured-epochs 0 4",
        "```",
    ]


def test_the_card_of_an_external_network_has_the_command_that_measures_it() -> None:
    lines = run_card(run_of(EXTERNAL), RESULTS).splitlines()
    assert "Measured by (`--data-root` names the folder of images where it is not the usual one):" in lines
    assert lines[-2] == (
        "python -m train.measure --classifier head --checkpoint '/home/me/nets/net one.safetensors' --data /a/b /c/d "
        "--dataset digits --compiled"
    )


@pytest.mark.parametrize(("name", "arguments"), [("", []), ("mine", ["--name", "mine"])])
def test_a_name_that_was_given_is_in_the_command(name: str, arguments: list[str]) -> None:
    config = EXTERNAL | {"own": {"name": name, "typed": {"classifier": "head"}, "images": None}}
    assert module_and_arguments(config) == (
        "train.measure",
        ["--classifier", "head", *arguments, "--dataset", "digits", "--compiled"],
    )


def test_a_published_card_names_no_folder_of_its_author() -> None:
    published = without_folders(EXTERNAL)["own"]
    assert published["typed"] == {"checkpoint": "net one.safetensors", "classifier": "head", "data": ["b", "d"]}
    assert published["images"] == {"data": "images", "test_data": None, "kind": "folder"}
    assert without_folders(TRAINED) is TRAINED
