"""A run is trained with its recorded config, named by its id; a config that is not that of the run is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.rnc.store.hand_written import CONDITIONS, PROVENANCE
from tests.train.small import ask, small
from train.read_recorded_run_config import config_in_store, config_of_run
from train.run import main, parse


def enter(store: Path, run_id: str, config: dict[str, Any]) -> None:
    """A run that was begun, with a config that need not be its own."""
    StoreWriter(store).begin_run(run_id, config, ["a", "b"], PROVENANCE, CONDITIONS)


def test_the_id_of_a_stored_run_names_its_config(tmp_path: Path) -> None:
    store, config = tmp_path / "rnc.duckdb", small(seed=7, lr_drops=(0.5,))
    enter(store, config.run_id, config.to_json())
    found = config_in_store(store, config.run_id)
    assert found is not None and found.run_id == config.run_id and found.to_json() == config.to_json()
    assert config_in_store(store, "another") is None and config_in_store(tmp_path / "none.duckdb", "another") is None
    (command,) = parse([config.run_id, "--store", str(store)])
    assert command.config.run_id == config.run_id and command.store == store


def test_a_stopped_run_goes_on_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the same run, which then is finished; a second time it is refused."""
    store, config = tmp_path / "rnc.duckdb", small()
    enter(store, config.run_id, config.to_json())
    StoreWriter(store).end_run(config.run_id, RunState.INTERRUPTED, 1.0)
    assert main([config.run_id, "--store", str(store)]) == 0
    assert ask(store, "SELECT run_id, state FROM run") == [(config.run_id, "finished")]
    assert main([config.run_id, "--store", str(store)]) == 2 and "finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 2}, "its config belongs to"),
        ({"store": "/elsewhere"}, "differs from those of this version in 'store'"),
        ({"dataset": "--overwrite"}, "dataset cannot be '--overwrite'"),
        ({"epochs": "9"}, "epochs cannot be '9'"),
        ({"epochs": -1}, "epochs must be at least 0"),
        ({"extra_conditions": ["--store"]}, "extra_conditions cannot be"),
    ],
)
def test_a_config_that_is_not_that_of_the_run_is_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    config = small()
    recorded = json.loads(json.dumps(config.to_json())) | changes
    with pytest.raises(ValueError, match=reason):
        config_of_run(config.run_id, recorded)
