"""Options shared by the commands that train and that measure: the store, and the device and its settings.

Tested by tests/train/test_run.py.
"""

from dataclasses import dataclass
from pathlib import Path

from rnc.device_and_threads import check_threads, pick_device
from rnc.probe.execution import Precision
from rnc.store.writer import StoreWriter


@dataclass(frozen=True)
class Options:
    """Options of a command that change the result only by rounding."""

    store: Path
    """The DuckDB file to write; created if it does not exist."""
    data_root: Path | None = None
    """The folder of the images; RNC_DATA, or data/images, if not given."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0."""
    threads: int = 0
    """CPU threads of a run; 0 takes one for a small network and all cores for others."""
    precision: Precision = Precision.AUTO
    """The precision of products in training; auto is bfloat16 on a GPU."""
    compiled: bool = False
    """Compile the passes of training (torch.compile); measurement is not compiled."""
    deadline: float | None = None
    """The time (in seconds, as from `time.time`) before which a run stops at the end of an epoch, to be resumed later."""
    overwrite: bool = False
    """Train a run with the same key again from the start, and replace the stored one."""

    def check_and_prepare_store(self) -> None:
        """Create the store if it does not exist. Raises ValueError or StoreError if an option cannot be satisfied."""
        pick_device(self.device)
        check_threads(self.threads)
        StoreWriter(self.store).prepare()
