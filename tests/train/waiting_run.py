"""A run for the tests of Ctrl-C, which another process imports: it says that it has begun, and the first one waits."""

import os
import signal
from pathlib import Path

from rnc.probe.store_and_device_options import Options
from train.config import RunConfig


def begun(folder: Path) -> list[int]:
    """The seeds of the runs that have begun."""
    return [int(line) for line in (folder / "begun").read_text().split()]


def wait_run(config: RunConfig, options: Options, position: int = 0) -> None:
    """Take the place of `train_run`: the run of seed 1 hands its process id to the test and waits to be interrupted."""
    folder = options.store.parent
    with (folder / "begun").open("a") as file:
        file.write(f"{config.seed}\n")
    if config.seed == 1:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        (folder / "waiting").write_text(str(os.getpid()))
        signal.pause()
