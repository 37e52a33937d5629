"""Training while the dashboard refreshes: two real trainings, eight readers and the app on one store lose nothing."""

import threading
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from rnc.probe.store_and_device_options import Options
from rnc.store.reader import StoreReader
from tests.pages.app import open_page
from tests.train.fork_server import fork_server
from train.loop import train_run
from train.named_run_sets import tiny

EPOCHS = 3
READERS = 8
READS = 200
PAUSE = 0.3  # seconds between the reads of one reader, and between pages: without one, they take the processor from the trainings


def train(store: Path, seed: int) -> BaseProcess:
    """Begin a real training on a few images in a process of its own, every epoch measured."""
    few = {"subset": 400, "measure_subset": 200, "sample_size": 20, "layerwise_epochs": "none"}
    config = replace(tiny()[0], seed=seed, epochs=EPOCHS, measured_epochs="every", **few)
    process: BaseProcess = fork_server().Process(
        target=train_run, args=(config, Options(store, device="cpu", threads=1))
    )
    process.start()
    return process


@pytest.mark.slow
def test_two_trainings_and_eight_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error, no lost epoch, and what readers see only grows."""
    store = tmp_path / "rnc.duckdb"
    trainings = [train(store, seed) for seed in (1, 2)]
    seen: list[list[int]] = [[] for _reader in range(READERS)]
    errors: list[BaseException] = []
    finished = threading.Event()

    def read(mine: list[int]) -> None:
        reader = StoreReader(store)  # one of its own: it shares no cache with the others
        try:
            while not finished.is_set() or len(mine) < READS // READERS:
                finished.wait(PAUSE)
                mine.append(len(reader.metrics.measured_epochs(list(reader.runs.all()["run_id"]))))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    while any(training.is_alive() for training in trainings):
        app = open_page("collapse", store, monkeypatch)
        assert not app.error
        finished.wait(PAUSE)
    finished.set()
    for thread in threads:
        thread.join()
    assert [training.exitcode for training in trainings] == [0, 0]
    assert not errors
    assert sum(map(len, seen)) >= READS
    assert all(counts == sorted(counts) for counts in seen)
    final = StoreReader(store)
    runs = final.runs.all()
    assert runs["state"].tolist() == ["finished", "finished"]
    expected = {(run_id, epoch) for run_id in runs["run_id"] for epoch in range(EPOCHS + 1)}
    assert set(final.metrics.measured_epochs(list(runs["run_id"])).itertuples(index=False, name=None)) == expected
