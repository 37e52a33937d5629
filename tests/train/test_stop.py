"""Ctrl-C on a recipe: the terminal interrupts command and workers alike, the run under way ends, and no other begins."""

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.train import waiting_run
from train import named_run_sets, run
from train.config import RunConfig


def interrupt_when_waiting(fifo: Path) -> None:
    """As a terminal does: SIGINT to the command, then to the worker that waits."""
    main = threading.main_thread().ident
    assert main is not None
    worker = int(fifo.read_text())
    signal.pthread_kill(main, signal.SIGINT)
    os.kill(worker, signal.SIGINT)


def test_ctrl_c_in_the_terminal_begins_no_further_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one real worker, the first of five runs under way."""
    fifo = tmp_path / "waiting"
    os.mkfifo(fifo)
    monkeypatch.setattr(run, "train_run", waiting_run.wait_run)
    monkeypatch.setitem(named_run_sets.RECIPES, "seeds", lambda: [RunConfig(seed=seed) for seed in range(1, 6)])
    threading.Thread(target=interrupt_when_waiting, args=(fifo,), daemon=True).start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = run.main(["seeds", "--jobs", "1", "--store", str(tmp_path / "rnc.duckdb")])
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130 and "stopped; all epochs measured so far are in the store" in capsys.readouterr().err
    assert waiting_run.begun(tmp_path) == [1]
