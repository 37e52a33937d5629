"""A run that kills itself with SIGKILL at a named place, for test_kill; a process of its own takes it from there."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rnc.probe.store_and_device_options import Options
from rnc.store import writer
from rnc.vocabulary import Objective
from tests.train.small import small
from train import loop
from train.epoch import Trainer
from train.loop import train_run
from train.resume_file import ResumeFile

CONFIG = small(
    objective=Objective.AT,
    epochs=12,
    subset=200,
    batch_size=32,
    measure_subset=100,
    measured_epochs="0,1,2,4,6,8,10,12",
    layerwise_epochs="last",
    epsilon_fractions=(),
)


class Place(StrEnum):
    """Where a kill strikes."""

    STEP = "in a training step"
    WRITE = "in a checkpoint's bytes, before they are on disk"
    RENAME = "after a checkpoint's rename, before its row"
    RESUME = "in the file that the run goes on from"
    TRANSACTION = "in a store transaction, before it commits"
    COMMITTED = "after a store transaction, before the run is saved"


@dataclass(frozen=True)
class Kill:
    """The kill at the `count`-th time that a process passes a place."""

    place: Place
    count: int


def run(store: Path, kill: Kill | None = None) -> None:
    """Train or go on with CONFIG, and die where `kill` says, leaving a line in `killed.log`."""
    if kill is not None:
        _arm(kill, store.parent / "killed.log")
    train_run(CONFIG, Options(store, device="cpu", threads=1))


def _arm(kill: Kill, log: Path) -> None:
    left = [kill.count]

    def pass_by() -> None:
        left[0] -= 1
        if left[0] == 0:
            with log.open("a") as file:
                file.write(f"{kill.place}\n")
                file.flush()
                os.fsync(file.fileno())
            os.kill(os.getpid(), signal.SIGKILL)

    owner, name, before = {
        Place.STEP: (Trainer, "_step", False),
        Place.WRITE: (os, "fsync", True),
        Place.RENAME: (loop, "save_network", False),
        Place.RESUME: (ResumeFile, "save", False),
        Place.TRANSACTION: (writer, "_insert", False),
        Place.COMMITTED: (writer.StoreWriter, "write_epoch", False),
    }[kill.place]
    usual: Callable[..., Any] = getattr(owner, name)

    def watched(*arguments: Any, **named: Any) -> Any:
        if before:
            pass_by()
        found = usual(*arguments, **named)
        if not before:
            pass_by()
        return found

    setattr(owner, name, watched)
