"""Acts of another process on a store: `python -m tests.rnc.store.writing_process ACTION STORE`; it prints how far it is."""

import itertools
import os
import sys
from pathlib import Path

import numpy as np

from rnc.conditions import CLEAN
from rnc.store import run_editor
from rnc.store import writer as store_writer
from rnc.store.locks import run_lock
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.rnc.store.hand_written import add_metrics, begin
from tests.rnc.store.postgres import stores_are_lakes

EPOCHS = 30
PAUSE = 10
METRICS = 40
VECTORS = 10
NEW_STORES = 12


def epoch_rows(epoch: int) -> Rows:
    """METRICS rows of one table and VECTORS of another."""
    rows = Rows()
    add_metrics(rows, "a", epoch, "train", CLEAN, {f"m{i}": float(epoch) for i in range(METRICS)})
    spot = {"run_id": "a", "epoch": epoch, "split": "train", "condition": "clean", "layer": "features"}
    rows.add("class_mean", **spot, **{"class": range(VECTORS)}, vector=np.full((VECTORS, 64), float(epoch)))
    return rows


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def write_to_the_end(writer: StoreWriter) -> None:
    """All epochs, a heartbeat after each, and the run's end; in the middle it waits for a word from the test."""
    for epoch in range(EPOCHS):
        writer.write_epoch("a", epoch, epoch_rows(epoch))
        writer.heartbeat("a", epoch)
        if epoch + 1 == PAUSE:
            say("paused")
            sys.stdin.readline()
    writer.end_run("a", RunState.FINISHED, 1.0)


def write_for_ever(writer: StoreWriter) -> None:
    """Epoch after epoch until killed."""
    for epoch in itertools.count():
        writer.write_epoch("a", epoch, epoch_rows(epoch))
        say(str(epoch))


def hang_in_the_middle(writer: StoreWriter) -> None:
    """Three epochs, then a fourth that stops with half of its tables inserted and never commits."""
    for epoch in range(3):
        writer.write_epoch("a", epoch, epoch_rows(epoch))
    insert = store_writer._insert

    def hang(*arguments: object) -> None:
        insert(*arguments)  # type: ignore[arg-type]
        say("middle")
        sys.stdin.read()

    store_writer._insert = hang  # type: ignore[assignment]
    writer.write_epoch("a", 3, epoch_rows(3))


def hold_the_lock(store: Path) -> None:
    """The lock of run a, until stdin ends."""
    with run_lock(store, "a"):
        say("held")
        sys.stdin.read()


def hang_while_deleting(store: Path, function: str) -> None:
    """Delete run a, and stop for ever after the rows are gone (but not committed), or before its files are."""
    real = getattr(run_editor, function)

    def hang(*arguments: object) -> None:
        if function == "delete_rows":
            real(*arguments)
        say("middle")
        sys.stdin.read()

    setattr(run_editor, function, hang)
    StoreWriter(store).delete_run("a")


def make_stores(folder: Path) -> None:
    """One new store after the other."""
    for name in range(NEW_STORES):
        begin(folder / f"{name}.duckdb", "a")


if __name__ == "__main__":
    if "RNC_TEST_LAKE" in os.environ:
        stores_are_lakes()
    action, path = sys.argv[1], Path(sys.argv[2])
    if action == "lock":
        hold_the_lock(path)
    elif action in ("delete_rows", "_remove"):
        hang_while_deleting(path, action)
    elif action == "make":
        make_stores(path)
    else:
        begun = begin(path, "a")
        say("begun")
        {"all": write_to_the_end, "ever": write_for_ever, "hang": hang_in_the_middle}[action](begun)
