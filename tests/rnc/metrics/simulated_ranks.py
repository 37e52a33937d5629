"""Processes that share samples, played by threads: what each reduces is summed in place, as an all-reduce does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Result = TypeVar("Result")
Reduce = Callable[[torch.Tensor], torch.Tensor]


def together(count: int, work: Callable[[int, Reduce], Result]) -> list[Result]:
    """Run work(rank, reduce) on every rank at once; the results by rank. An error of one rank ends all."""
    barrier, given = Barrier(count, timeout=60), [torch.empty(0)] * count

    def run(rank: int) -> Result:
        def reduce(tensor: torch.Tensor) -> torch.Tensor:
            given[rank] = tensor.clone()
            barrier.wait()
            total = torch.stack(given).sum(0)
            barrier.wait()
            return tensor.copy_(total)

        try:
            return work(rank, reduce)
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(run, rank) for rank in range(count)]]
