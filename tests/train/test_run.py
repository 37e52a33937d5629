"""The command line: what it takes, what it refuses (exit code 2, a clear word on stderr, nothing written), what it answers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rnc.probe.store_and_device_options import Options
from rnc.store.errors import RunExistsError
from rnc.vocabulary import TRAINED, Norm, Objective
from tests.train.small import FLAGS, ask
from train import named_run_sets, run
from train.config import RunConfig
from train.run import main, parse

WRONG = [
    (["huge"], "unknown recipe 'huge'; there are: tiny, demo"),
    (["--dataset", "mnist2"], "unknown dataset 'mnist2'; there are: cifar10,"),
    (["--model", "vgg99"], "unknown model 'vgg99'; there are: preact_resnet18,"),
    (["--colour", "red"], "--colour"),
    (["tiny", "--epoch", "3"], "--epoch"),
    (["tiny", "demo"], "demo"),
    (["--objective", "adversarial"], "adversarial"),
    (["--norm", "l7"], "l7"),
    (["--epsilon", "0"], "epsilon must be a finite number > 0, got 0"),
    (["--epsilon=-8/255"], "epsilon must be a finite number > 0"),
    (["--epsilon", "abc"], "'abc' is not a number; write a decimal such as 0.1"),
    (["--epsilon", "nan"], "epsilon must be a finite number > 0, got nan"),
    (["--epsilon", "8/0"], "'8/0' is not a number"),
    (["--step-size", "inf"], "step_size must be a finite number > 0"),
    (["--epochs", "many"], "many"),
    (["--seed", "-1"], "seed must be at least 0"),
    (["--measured-epochs", "often"], "'often' is not a valid choice of epochs"),
    (["--extra-conditions", "blur"], "'blur' is not a condition"),
    (["demo", "--epsilon", "0"], "epsilon must be a finite number > 0"),
    (["tiny", "--device", "tpu9"], "unknown device 'tpu9'; use auto, cpu"),
    (["tiny", "--threads", "-1"], "threads"),
]


def exit_code(arguments: list[str]) -> object:
    """Return the exit code that the shell sees."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(a) for a, _message in WRONG])
def test_a_wrong_request(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "new" / "rnc.duckdb"
    assert exit_code([*arguments, "--store", str(store)]) == 2
    printed = capsys.readouterr()
    words = " ".join(printed.err.replace("│", " ").split())
    assert message in words and "Traceback" not in words and printed.out == ""
    assert not store.parent.exists()


@pytest.mark.parametrize("objective", TRAINED)
def test_objectives_are_given_by_their_names(objective: Objective) -> None:
    """As the help, the store and the addresses write them."""
    (command,) = parse(["--objective", str(objective)])
    assert command.config.objective is objective


@pytest.mark.parametrize("norm", Norm)
def test_norms_are_given_by_their_names(norm: Norm) -> None:
    (command,) = parse(["--norm", str(norm)])
    assert command.config.norm is norm


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("0.1", 0.1), ("1", 1.0), ("1e-3", 0.001)])
def test_sizes_are_decimals_or_fractions(text: str, value: float) -> None:
    (command,) = parse(["--epsilon", text, "--step-size", text])
    assert command.config.epsilon == command.config.step_size == value
    assert command.config == RunConfig(epsilon=value, step_size=value)
    assert command.config.conditions[1][1].epsilon == pytest.approx(value)


def test_without_arguments_the_defaults_make_one_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "env.duckdb"))
    (command,) = parse([])
    assert command.config == RunConfig()
    assert command.options() == Options(tmp_path / "env.duckdb")


def test_overrides_apply_to_every_run_of_a_recipe() -> None:
    plain = parse(["demo"])
    found = parse(["demo", "--epochs", "5", "--lr-drops", "0.5", "--no-umap", "--store", "x", "--overwrite"])
    assert [c.config.objective for c in found] == [c.config.objective for c in plain]
    assert len({c.config.run_id for c in [*plain, *found]}) == 6
    for command in found:
        assert (command.config.epochs, command.config.lr_drops, command.config.umap) == (5, (0.5,), False)
        assert command.options() == Options(Path("x").absolute(), overwrite=True)


def test_a_run_is_trained_and_its_key_taken(own_tiny_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ask(own_tiny_store, "SELECT * FROM metric ORDER BY ALL")
    row = ask(own_tiny_store, "SELECT * FROM run")
    assert row and before
    assert exit_code(["tiny", "--store", str(own_tiny_store)]) == 2
    error = capsys.readouterr().err
    assert "is already in" in error and "--overwrite" in error and "Traceback" not in error
    assert ask(own_tiny_store, "SELECT * FROM metric ORDER BY ALL") == before
    assert ask(own_tiny_store, "SELECT * FROM run") == row


def test_a_store_that_is_none_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "thesis.tex"
    path.write_bytes(b"\\documentclass" * 1000)
    assert exit_code([*FLAGS, "--store", str(path)]) == 2
    assert "not a DuckDB store" in capsys.readouterr().err
    assert path.read_bytes() == b"\\documentclass" * 1000
    assert exit_code([*FLAGS, "--store", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_run_that_diverges_has_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 where a run failed; 2 is for a wrong request."""
    store = tmp_path / "rnc.duckdb"
    code = exit_code([*FLAGS, "--learning-rate", "1e30", "--measured-epochs", "last", "--store", str(store)])
    ((state, error),) = ask(store, "SELECT state, error FROM run")
    assert state == "failed" and "diverged" in error and "diverged" in capsys.readouterr().err
    assert code == 1


Trained = list[str]


@pytest.fixture
def threads_for_processes(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Runs of a recipe are trained in threads; the event is set when the pool closes."""
    closing = threading.Event()

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int, **_spawn: Any) -> None:
            super().__init__(workers)

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            closing.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(run, "ProcessPoolExecutor", Pool)
    return closing


def train_by(monkeypatch: pytest.MonkeyPatch, train: Callable[[RunConfig], None]) -> Trained:
    """Replace training; returns the objectives of the runs that were begun."""
    begun: Trained = []

    def fake(config: RunConfig, options: Options, position: int = 0) -> None:
        begun.append(str(config.objective))
        train(config)

    monkeypatch.setattr(run, "train_run", fake)
    return begun


@pytest.mark.usefixtures("threads_for_processes")
def test_a_recipe_goes_on_where_it_was_broken_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def finished_once(config: RunConfig) -> None:
        if config.objective is Objective.AT:
            raise RunExistsError("stored")

    begun = train_by(monkeypatch, finished_once)
    assert main(["demo"]) == 0
    assert sorted(begun) == ["at", "st", "trades"]
    assert "already finished and therefore skipped" in capsys.readouterr().out


@pytest.mark.usefixtures("threads_for_processes")
def test_one_failed_run_does_not_take_the_others_along(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_one(config: RunConfig) -> None:
        if config.objective is Objective.AT:
            raise RuntimeError("boom")

    begun = train_by(monkeypatch, break_one)
    assert main(["demo", "--jobs", "1"]) == 1
    assert sorted(begun) == ["at", "st", "trades"]
    error = capsys.readouterr().err
    assert "failed: boom" in error and "-at-" in error


def test_ctrl_c_begins_no_further_run(
    monkeypatch: pytest.MonkeyPatch, threads_for_processes: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one job, the run after the broken one may have begun before the stop arrives; the ones after it may not."""

    def interrupted(config: RunConfig) -> None:
        if config.seed == 1:
            raise KeyboardInterrupt
        threads_for_processes.wait(60)

    seeds = [RunConfig(seed=seed) for seed in range(1, 6)]
    monkeypatch.setitem(named_run_sets.RECIPES, "seeds", lambda: seeds)
    begun = train_by(monkeypatch, interrupted)
    assert main(["seeds", "--jobs", "1"]) == 130
    assert (
        "stopped; all epochs measured so far are in the store, and the same command resumes the run"
        in capsys.readouterr().err
    )
    assert len(begun) <= 2


def test_the_same_run_twice_in_a_recipe_is_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(named_run_sets.RECIPES, "twice", lambda: [RunConfig(), RunConfig(objective=Objective.ST)])
    begun = train_by(monkeypatch, lambda _config: None)
    assert main(["twice"]) == 0 and begun == ["st"]
