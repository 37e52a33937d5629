"""Training while the dashboard refreshes: two real trainings, eight readers and the app on one store lose nothing."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rnc.store.reader import StoreReader
from tests.pages.app import ROOT, open_page

EPOCHS = 4
READERS = 8
READS = 200
PAUSE = 0.1  # seconds between the reads of one reader: without one, they take the processor from the trainings


def train(store: Path, seed: int) -> subprocess.Popen:
    """A real training in a process of its own, every epoch measured."""
    fields = ["--seed", str(seed), "--epochs", str(EPOCHS), "--measured-epochs", "every", "--sample-size", "20"]
    command = [sys.executable, "-m", "train.run", "tiny", "--store", str(store), *fields]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


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
    while any(training.poll() is None for training in trainings):
        app = open_page("collapse", store, monkeypatch)
        assert not app.error
    finished.set()
    for thread in threads:
        thread.join()
    assert [training.wait() for training in trainings] == [0, 0], [t.stderr.read()[-2000:] for t in trainings]
    assert not errors
    assert sum(map(len, seen)) >= READS
    assert all(counts == sorted(counts) for counts in seen)
    final = StoreReader(store)
    runs = final.runs.all()
    assert runs["state"].tolist() == ["finished", "finished"]
    expected = {(run_id, epoch) for run_id in runs["run_id"] for epoch in range(EPOCHS + 1)}
    assert set(final.metrics.measured_epochs(list(runs["run_id"])).itertuples(index=False, name=None)) == expected
