"""For test_distributed: measure a stored network, alone or as one process of several."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import torch

from rnc.models import weights
from rnc.probe.measure_epoch import Plan, Probe
from rnc.probe.measured_images import TrainedImages
from rnc.probe.torchrun_ranks import join_ranks, leave_ranks
from rnc.vocabulary import Objective, Split
from tests.train.small import small
from train.config import RunConfig
from train.training_and_measured_images import load_data

CONFIG: RunConfig = small(
    objective=Objective.AT, measure_subset=700, sample_size=40, extra_conditions=("pgd-l2-0.5-2",)
)


def measure(checkpoint: Path, digest: str, folder: Path) -> None:
    """Measure under all conditions, every stage too, and write each table as `folder/NAME.parquet`."""
    cpu = torch.device("cpu")
    ranks = join_ranks(cpu)
    data = load_data(CONFIG, None, cpu)
    train = data.measured[Split.TRAIN].images
    mine = torch.arange(len(train))[ranks.rank :: ranks.count]  # as if an epoch had trained on brighter images
    trained = TrainedImages((train.pixels(mine) * 1.5).clamp(0, 1), mine)
    plan = Plan(1, CONFIG.conditions, layerwise=True, swept=CONFIG.conditions_at_end, trained=trained)
    probe = Probe(CONFIG.run_id, data.measured, data.ood_images, 10, ranks)
    measured = probe.measure(weights.load(checkpoint, digest), plan)
    if ranks.is_main:
        for name, table in measured.rows.tables().items():
            pq.write_table(table, folder / f"{name}.parquet")
    leave_ranks()


def measure_as_rank(rank: int, count: int, port: int, given: tuple[Path, str, Path]) -> None:
    """Measure as a process of several, with the environment that torchrun would give it."""
    found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in found.items()})
    torch.set_num_threads(1)
    measure(*given)
