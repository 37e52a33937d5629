"""Timing of the parts of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnc.store.reader import StoreReader


class Stopwatch:
    """The total time of a block that runs many times, measured without making a GPU wait each time."""

    def __init__(self, device: torch.device) -> None:
        """Start at zero. On a GPU, CUDA events measure the time; they are read once, when the sum is requested."""
        self._on_gpu = device.type == "cuda"
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the time of the block."""
        if not self._on_gpu:
            begin = time.monotonic()
            yield
            self._seconds += time.monotonic() - begin
            return
        begin_event, end_event = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin_event.record()
        yield
        end_event.record()
        self._events.append((begin_event, end_event))

    def read_and_reset(self) -> float:
        """Return the seconds so far and reset to zero. On a GPU, wait for the end of the last block."""
        if self._events:
            self._events[-1][1].synchronize()
        seconds = self._seconds + sum(begin.elapsed_time(end) for begin, end in self._events) / 1000
        self._seconds, self._events = 0.0, []
        return seconds


def cost_per_epoch(reader: StoreReader, run_id: str) -> str:
    """Return a sentence with the mean seconds per epoch of attack, step, measurement and writing to the store."""
    row = reader.runs.total_costs(run_id).iloc[0]
    if not row["epochs"] > 0:
        return "0 epochs: nothing was trained, only the initialisation was measured"
    parts = (f"{name} {row[name] / row['epochs']:.2g} s" for name in ("attack", "step", "measurement", "store"))
    return f"{row['epochs']:.0f} epochs, on average per epoch: {', '.join(parts)}"
