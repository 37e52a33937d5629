"""Of a sweep's file, which may be a stranger's, nothing becomes a command but runs as they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnc.store.sweep_state import PlannedRun, Sweep, sweeps_of
from rnc.store.writer import StoreWriter
from train import sweep as command
from train.config import RunConfig
from train.named_run_sets import find
from train.sweep import main
from train.sweeps.sweep_plan_and_train_commands import check_recorded_commands, run_arguments, sweep_name

CONFIG = RunConfig(epochs=2, steps=3, sample_size=100, umap=False, extra_conditions=("pgd-l2-0.5-10",))
OPTIONS: dict[str, Any] = {
    "pack": 0, "at_a_time": 1, "ranks": 1, "on_gpus": False, "time_limit": None, "slurm": {},
    "flags": ["--store", "/elsewhere/rnc.duckdb", "--device", "cpu", "--threads", "1", "--precision", "auto", "--compiled"],
}  # fmt: skip


def recorded(run_id: str = CONFIG.run_id, flags: list[str] | None = None, **changed: Any) -> Sweep:
    """A sweep of one run, whose config was changed."""
    run = PlannedRun(CONFIG.to_json() | changed, 2, 1.0)
    return Sweep("s-1", "local", OPTIONS | {"flags": OPTIONS["flags"] if flags is None else flags}, {run_id: run})


def test_what_was_planned_here_passes(tmp_path: Path) -> None:
    """The store is the one at hand, wherever its folder was when the sweep began."""
    sweep = recorded()
    check_recorded_commands(sweep, tmp_path / "rnc.duckdb", None)
    assert sweep.options["flags"] == ["--store", str(tmp_path / "rnc.duckdb"), *OPTIONS["flags"][2:]]
    for config in [*find("demo"), *find("cifar10-cpu-at")]:
        run = PlannedRun(config.to_json(), config.epochs, 1.0)
        check_recorded_commands(replace(sweep, runs={config.run_id: run}), tmp_path / "rnc.duckdb", None)


@pytest.mark.parametrize(
    "changed",
    [
        {"store": "/home/somebody/x.duckdb"}, {"overwrite": True}, {"data_root": "/"}, {"seed": 2}, {"epochs": 3},
        {"umap": "--overwrite"}, {"measured_epochs": "--overwrite"}, {"extra_conditions": ["--overwrite"]},
        {"extra_conditions": "x"}, {"dataset": "--store"}, {"dataset": 3}, {"width": "1"}, {"width": 10**400}, {"seed": 1.0},
        {"model": "os:system"}, {"objective": "own"}, {"objective": None}, {"lr_drops": [[0.5]]}, {"norm": ["linf"]},
        {"width": True}, {"batch_size": "\x1b[31m"},
    ],
)  # fmt: skip
def test_a_run_that_is_not_what_its_name_says_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be trained from the sweep's file"):
        check_recorded_commands(recorded(**changed), tmp_path / "rnc.duckdb", None)


def test_a_run_of_another_name_or_without_a_field_is_refused(tmp_path: Path) -> None:
    sweep = recorded("digits-small_cnn-st-linf-s1-00000000")
    with pytest.raises(ValueError, match="its config belongs to"):
        check_recorded_commands(sweep, tmp_path / "rnc.duckdb", None)
    sweep = recorded()
    del sweep.runs[CONFIG.run_id].config["norm"]
    with pytest.raises(ValueError, match="differs from those of this version in 'norm'"):
        check_recorded_commands(sweep, tmp_path / "rnc.duckdb", None)


@pytest.mark.parametrize(
    "flags",
    [
        ["--overwrite"], ["--store", "/elsewhere/other.duckdb"], ["--device", "cpu --overwrite"], ["--device"], ["cpu"],
        ["--threads", "-1"], ["--threads", "9" * 9], ["--precision", "double"], ["--compiled", "--overwrite"], ["--list"],
        ["--data-root", "/"], ["--data-root"], ["--time-limit", "1s"], ["--seed", "5"],
    ],
)  # fmt: skip
def test_flags_that_runs_do_not_share_are_refused(flags: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"cannot take the argument|name it with --store|if this is correct, give --data-root"
    ):
        check_recorded_commands(recorded(flags=flags), tmp_path / "rnc.duckdb", None)


def test_a_folder_of_images_is_said_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (tmp_path / "images", None):
        sweep = recorded(flags=["--data-root", str(tmp_path / "images")])
        check_recorded_commands(sweep, tmp_path / "rnc.duckdb", given)
        assert sweep.options["flags"][2:] == ["--data-root", str(tmp_path / "images")]
        monkeypatch.setenv("RNC_DATA", str(tmp_path / "images"))


def test_the_arguments_make_the_run() -> None:
    from train.run import parse_one

    assert parse_one(RunConfig(), run_arguments(PlannedRun(CONFIG.to_json(), 2, 1.0))).config.run_id == CONFIG.run_id


@pytest.mark.parametrize("word", ["*", "../../x", "a" * 5_000, "ÄÖ", "%j"])
def test_every_grid_has_a_name_that_can_be_a_folder_s(word: str, tmp_path: Path) -> None:
    name = sweep_name([word], [CONFIG])
    Sweep(name, "local", {}, recorded().runs).save(tmp_path / "rnc.duckdb")
    assert [sweep.name for sweep in sweeps_of(tmp_path / "rnc.duckdb")] == [name]


def test_one_file_that_makes_no_sense_stops_no_other_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "rnc.duckdb"
    StoreWriter(store).prepare()
    recorded().save(store)
    for name in ("bad-1", "s-1-\x1b[31m"):
        (tmp_path / "sweeps" / name).mkdir()
        (tmp_path / "sweeps" / name / "sweep.json").write_text('{"name": 1}')
    assert main(["--status", "--store", str(store)]) == 75
    printed = capsys.readouterr()
    assert printed.out.endswith("s-1: 0 of 1 finished, 1 waiting\n")
    assert printed.err.count("warning: sweep ") == 2 and "\x1b" not in printed.err
    for about in ("--status", "--cancel", "--retry-failed"):
        assert main([about, "bad-1", "--store", str(store)]) == 2
        assert "error: sweep 'bad-1' is left out: " in capsys.readouterr().err


def test_a_hostile_sweep_is_not_handed_in_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gone_on = tmp_path / "rnc.duckdb", []
    StoreWriter(store).prepare()
    hostile = {"a-1": {"overwrite": True}, "b-1": {}, "c-1": {}}
    for name, changed in hostile.items():
        sweep = replace(recorded(**changed), name=name)
        sweep.options["slurm"] = {"partition": "gpu\nrm -r ~"} if name == "b-1" else {}
        sweep.save(store)
    monkeypatch.setattr(command.tqdm, "write", print)
    monkeypatch.setattr(command, "_watch", lambda sweep, *_rest: gone_on.append(sweep.name) or 0)
    monkeypatch.setattr("train.sweeps.backends.Local.submit", lambda *_given: [])
    assert main(["--retry-failed", "--store", str(store)]) == 2
    assert gone_on == ["c-1"]
    told = capsys.readouterr().err
    assert "'overwrite'" in told and r"'gpu\nrm -r ~'" in told


def test_a_grid_whose_folder_makes_no_sense_is_not_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "rnc.duckdb"
    (config,) = find("tiny")
    folder = tmp_path / "sweeps" / sweep_name(["tiny"], [config])
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text("{")
    command_line = ["tiny", "--engine", "local", "--device", "cpu", "--store", str(store)]
    assert main(command_line) == 2 and "move" in capsys.readouterr().err
    assert (folder / "sweep.json").read_text() == "{"
    Sweep(folder.name, "local", {}, {"another": PlannedRun({"seed": 1}, 1, 1.0)}).save(store)
    assert main(command_line) == 2 and "is a sweep of other runs" in capsys.readouterr().err
