"""Several gloo processes: the statistics of one; under torchrun one store, a run to its end."""

import os
import socket
import subprocess
import sys
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.train.fork_server import fork_server
from tests.train.rank_measures import CONFIG, measure, measure_as_rank
from tests.train.small import ask

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def torchrun(processes: int, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.run(
        [*TORCHRUN, str(processes), *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def ended(processes: int, *given: object) -> list[int | None]:
    """Measure in so many processes; the codes by which they ended, where one that fails ends the others."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ranks = [
        fork_server().Process(target=measure_as_rank, args=(rank, processes, port, given), daemon=True)
        for rank in range(processes)
    ]
    for rank in ranks:
        rank.start()
    while running := [rank for rank in ranks if rank.exitcode is None]:
        wait([rank.sentinel for rank in running])
        if any(rank.exitcode for rank in ranks):
            for rank in ranks:
                rank.kill()
    return [rank.exitcode for rank in ranks]


@pytest.fixture(scope="module")
def alone(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Path, str]]:
    """The rows that one process measures, and the arguments that name the checkpoint."""
    ((path, digest),) = ask(tiny_store, "SELECT path, sha256 FROM checkpoint ORDER BY epoch DESC LIMIT 1")
    folder = tmp_path_factory.mktemp("alone")
    measure(tiny_store.parent / path, digest, folder)
    return folder, (tiny_store.parent / path, digest)


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_measure_what_one_does(
    alone: tuple[Path, tuple[Path, str]], processes: int, tmp_path: Path
) -> None:
    """To 1e-6, in every table; with four, some have no batch of their own."""
    folder, checkpoint = alone
    assert ended(processes, *checkpoint, tmp_path) == [0] * processes
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir()) and len(names) >= 6
    for name in names:
        expected, found = (pd.read_parquet(at / name) for at in (folder, tmp_path))
        assert list(expected.columns) == list(found.columns) and len(expected) == len(found), name
        for column in expected.columns:
            same(expected[column], found[column], f"{name} {column}")


def same(expected: pd.Series, found: pd.Series, what: str) -> None:
    if column_is(expected, list | np.ndarray):
        np.testing.assert_allclose(
            np.stack(found.tolist()), np.stack(expected.tolist()), rtol=1e-6, atol=1e-6, err_msg=what
        )
    elif column_is(expected, float):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6, err_msg=what)
    else:
        assert expected.tolist() == found.tolist(), what


def column_is(column: pd.Series, kind: object) -> bool:
    return isinstance(column.iloc[0], kind)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_commands")
def test_a_run_of_two_processes_comes_to_its_end(tmp_path: Path) -> None:
    """Rank 0 alone writes: one run, no value twice, networks that load. torchrun's processes find torch loaded."""
    store = tmp_path / "rnc.duckdb"
    flags = ["--objective", "at", "--epochs", "3", "--measured-epochs", "0,3", "--sample-size", "20", "--steps", "1"]
    few = ["--subset", "500", "--batch-size", "32", "--measure-subset", "500", "--store", str(store)]
    run = torchrun(2, "-m", "train.run", "tiny", *flags, *few)
    assert run.returncode == 0, run.stderr[-3000:]
    assert ask(store, "SELECT state, epochs_done, execution LIKE '%2 processes' FROM run") == [("finished", 3, True)]
    key = "epoch, split, condition, means_split, means_condition, layer, metric"
    assert ask(store, f"SELECT {key} FROM metric GROUP BY ALL HAVING count(*) > 1") == []
    spots = ask(store, "SELECT DISTINCT epoch, condition FROM metric WHERE split = 'train'")
    assert (3, "as_trained") in spots and {epoch for epoch, _slug in spots} == {0, 3}
    counts = ask(
        store,
        "SELECT DISTINCT value FROM class_metric WHERE split = 'train' AND metric = 'count' AND condition = 'as_trained'",
    )
    assert counts == [(50.0,)], "the shares of both together are the whole set"
    where = "role = 'clean' AND metric = 'accuracy' AND split = 'train' AND epoch = 3"
    ((accuracy,),) = ask(store, f"SELECT value FROM measurement WHERE {where}")
    assert accuracy > 0.5 and "epochs" in CONFIG.to_json()
