"""The processes of one run, one per GPU under torchrun: the division of the samples, and the sums over processes."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from rnc.models import FeatureClassifier

_TIMEOUT = timedelta(hours=2)  # only rank 0 writes and projects, while the others wait


@dataclass(frozen=True)
class Ranks:
    """The rank of this process and the number of processes."""

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Return whether this is rank 0, the only process that prints and writes."""
        return self.rank == 0

    def __str__(self) -> str:
        """Return the text for table `run`."""
        return f", {self.count} processes" if self.count > 1 else ""

    def parts_for_this_rank(self, parts: list[Any]) -> list[Any]:
        """Return every count-th part; parts are whole batches, so each gives the same result as in a single process."""
        return parts[self.rank :: self.count]

    def gather(self, parts: list[Any]) -> list[Any]:
        """Return the parts of all processes in the order of `share`'s argument, on every process."""
        if self.count == 1:
            return parts
        parts_of_ranks: list[Any] = [None] * self.count
        distributed.all_gather_object(parts_of_ranks, parts)
        longest = max(len(of_rank) for of_rank in parts_of_ranks)
        return [of_rank[i] for i in range(longest) for of_rank in parts_of_ranks if i < len(of_rank)]

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over the processes, on every process."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def synchronise_buffers(self, model: FeatureClassifier) -> None:
        """Give every process rank 0's BatchNorm statistics; the parameters are equal already."""
        if self.count > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)

    def broadcast(self, value: bool) -> bool:
        """Return the value of rank 0 on every process: a decision that depends on a clock must be made once."""
        if self.count == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, 0)
        return values[0]

    def wait(self) -> None:
        """Wait until all processes arrive."""
        if self.count > 1:
            distributed.barrier()


def join_ranks(device: torch.device) -> Ranks:
    """Join the processes of torchrun; without torchrun, return a single process."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) < 2:
        return Ranks()
    if not distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def leave_ranks() -> None:
    """Leave the group of processes."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
