"""Paths that are added to a finished run are those that its own measurement kept; anything else is refused in words."""

import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch

from rnc.probe.attack_paths_of_finished_runs import PathsNotAddedError, add_attack_paths
from rnc.store.reader import StoreReader
from train.attack_paths import main

CPU = torch.device("cpu")


@pytest.fixture
def store(tiny_store: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run without its paths."""
    shutil.copytree(tiny_store.parent, tmp_path, dirs_exist_ok=True)
    change(tmp_path / tiny_store.name, "DELETE FROM attack_path")
    return tmp_path / tiny_store.name


def change(store: Path, sql: str) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute(sql)


def run_of(store: Path) -> str:
    return str(StoreReader(store).runs.all()["run_id"].iloc[0])


def paths(store: Path, epochs: list[int]) -> list[tuple]:
    with duckdb.connect(str(store), read_only=True) as connection:
        columns = "epoch, split, condition, step, sample, predicted, vector"
        sql = f"SELECT {columns} FROM attack_path WHERE list_contains(?, epoch) ORDER BY ALL"
        return connection.execute(sql, [epochs]).fetchall()


def test_added_paths_are_those_of_the_measurement(store: Path, tiny_store: Path) -> None:
    added = add_attack_paths(store, run_of(store), None, CPU)
    epochs = sorted({path.epoch for path in added})
    assert epochs == StoreReader(store).runs.checkpoints([run_of(store)])["epoch"].tolist()
    assert {path.agreement for path in added} == {1.0}
    found, expected = paths(store, epochs), paths(tiny_store, epochs)
    assert [row[:6] for row in found] == [row[:6] for row in expected] and found
    assert np.allclose([row[6] for row in found], [row[6] for row in expected], atol=1e-3)


def test_twice_is_once(store: Path) -> None:
    add_attack_paths(store, run_of(store), None, CPU)
    first = paths(store, list(range(100)))
    add_attack_paths(store, run_of(store), None, CPU)
    assert paths(store, list(range(100))) == first


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE run SET state = 'running'", "no finished run"),
        ("DELETE FROM feature", "no network of an epoch"),
        ("UPDATE feature SET label = (label + 1) % 10", "not those of the run"),
        ("UPDATE feature SET sample = sample + 100000", "not those of the run"),
        ("UPDATE feature SET predicted = (predicted + 1) % 10 WHERE condition <> 'clean'", "0.0% of the samples"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_and_adds_nothing(
    sql: str, reason: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(store, sql)
    with pytest.raises(PathsNotAddedError, match=reason):
        add_attack_paths(store, run_of(store), None, CPU)
    assert paths(store, list(range(100))) == []
    assert main([run_of(store), "--store", str(store)]) == 1
    assert f"no attack path was added to {run_of(store)}" in capsys.readouterr().err


def test_the_command_names_what_it_added_and_the_runs_that_are_unknown(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unknown\x1b[2J", run_of(store), "--store", str(store)]) == 1
    printed = capsys.readouterr()
    assert "unknown\\x1b[2J" in printed.err and "100.0% of the decisions" in printed.out
