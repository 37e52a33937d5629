"""What the commands that train and that measure share: where a run is written, and on what it is computed."""

from dataclasses import dataclass
from pathlib import Path

from rnc.devices import check_threads, pick_device
from rnc.probe.execution import Precision
from rnc.store.writer import StoreWriter


@dataclass(frozen=True)
class Options:
    """What a command may choose that does not change the result beyond rounding."""

    store: Path
    """The DuckDB file to write; made where there is none."""
    data_root: Path | None = None
    """Where the images lie; RNC_DATA, or data/images, where not given."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0."""
    threads: int = 0
    """CPU threads of a run; 0 takes one for a small network and all cores for others."""
    precision: Precision = Precision.AUTO
    """What training multiplies in; auto is bfloat16 on a GPU."""
    compiled: bool = False
    """Compile the passes of training (torch.compile); measurement stays eager."""
    deadline: float | None = None
    """The time of day (seconds, as `time.time`) before which a run stops at an epoch's end, to be continued."""
    overwrite: bool = False
    """Train a run with the same key again from the start, in place of the stored one."""

    def check(self) -> None:
        """Make the store where there is none. Raises ValueError or StoreError where an option cannot be met."""
        pick_device(self.device)
        check_threads(self.threads)
        StoreWriter(self.store).prepare()
