"""Training that a parent kills from outside: it says in shared memory what it is doing, so that each kill knows its phase."""

import mmap
import os
import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rnc.models import weights
from rnc.probe.store_and_device_options import Options
from rnc.store import writer
from tests.train.small import small
from train import resume_file
from train.config import RunConfig
from train.epoch import Trainer
from train.loop import train_run

RUN = {
    "epochs": 4, "subset": 100, "batch_size": 25, "measure_subset": 40, "measured_epochs": "0,1,2,4",
    "layerwise_epochs": "none", "epsilon_fractions": (),
}  # fmt: skip


class Phase(IntEnum):
    """A phase of a trainer's work."""

    OTHER = 0
    STEP = 1
    CHECKPOINT = 2
    TRANSACTION = 3


WATCHED = (Phase.STEP, Phase.CHECKPOINT, Phase.TRANSACTION)
_NOTE = struct.Struct(
    "4i"
)  # phase; times that the awaited phase was entered; awaited phase; last epoch reported, plus one
_LONGEST_DELAY = {Phase.STEP: 0.02, Phase.CHECKPOINT: 0.0015, Phase.TRANSACTION: 0.02}


def config(objective: str) -> RunConfig:
    """The run that is killed."""
    return small(objective=objective, **RUN)


class Note:
    """Four numbers in a file that two processes map; they outlive a SIGKILL."""

    def __init__(self, path: Path) -> None:
        """Map the file; made empty where there is none."""
        if not path.exists():
            path.write_bytes(bytes(_NOTE.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NOTE.size)

    def get(self, place: int) -> int:
        """One of the numbers."""
        return int(struct.unpack_from("i", self._map, 4 * place)[0])

    def put(self, place: int, value: int) -> None:
        """Set one of the numbers."""
        struct.pack_into("i", self._map, 4 * place, value)


def run(store: Path, objective: str, note: Path | None = None) -> None:
    """Train or go on, saying on the way what is being done."""
    if note is not None:
        _watch(Note(note))
    train_run(config(objective), Options(store, device="cpu", threads=1))


def _watch(note: Note) -> None:
    def around(usual: Callable[..., Any], phase: Phase) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            with _entered(note, phase):
                return usual(*arguments, **named)

        return watched

    Trainer._step = around(Trainer._step, Phase.STEP)  # type: ignore[method-assign]
    weights.write_atomically = resume_file.write_atomically = around(weights.write_atomically, Phase.CHECKPOINT)  # type: ignore[assignment]
    usual_writing, usual_epoch = writer.writing, writer.StoreWriter.write_epoch

    @contextmanager
    def writing(path: Path) -> Iterator[Any]:
        with _entered(note, Phase.TRANSACTION), usual_writing(path) as connection:
            yield connection

    def write_epoch(self: Any, run_id: str, epoch: int, rows: Any) -> None:
        usual_epoch(self, run_id, epoch, rows)
        note.put(3, epoch + 1)

    writer.writing = writing  # type: ignore[assignment]
    writer.StoreWriter.write_epoch = write_epoch  # type: ignore[method-assign]


@contextmanager
def _entered(note: Note, phase: Phase) -> Iterator[None]:
    before = note.get(0)
    note.put(0, phase)
    if phase == note.get(2):
        note.put(1, note.get(1) + 1)
    yield
    note.put(0, before)


@dataclass(frozen=True)
class Death:
    """The end of a process: whether it was killed, and in which phase."""

    killed: bool
    phase: Phase
    reported: int
    """The last epoch whose writing had returned in this process; -1 for none."""


def send_signal(process: BaseProcess, number: signal.Signals) -> None:
    """Send a started process a signal; if it has just ended, do nothing.

    The fork server collects its children, so a process can be gone although `is_alive` has just said otherwise.
    """
    assert process.pid is not None
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


def kill_once(server: ForkServerContext, store: Path, objective: str, aim: Phase, chance: random.Random) -> Death:
    """Start or go on with the run, and SIGKILL it a random moment after a random entry to the phase `aim`."""
    path = store.with_name("note")
    path.unlink(missing_ok=True)
    note = Note(path)
    note.put(2, aim)
    awaited, delay = chance.randint(1, {Phase.STEP: 8}.get(aim, 4)), chance.uniform(0, _LONGEST_DELAY[aim])
    process = server.Process(target=run, args=(store, objective, path), daemon=True)
    process.start()
    while process.is_alive() and note.get(1) < awaited:
        time.sleep(0.0002)
    time.sleep(delay)
    send_signal(process, signal.SIGKILL)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), f"the run ended by itself: {process.exitcode}"
    return Death(process.exitcode != 0, Phase(note.get(0)), note.get(3) - 1)
