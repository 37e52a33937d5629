"""Fill a store with made-up runs: `python -m tests.benchmarks.synthetic RUNS --epochs 400 --store FILE`.

Nothing is trained and nothing measured; the rows are those of `train.run`, their numbers invented. The runs say so in the
store, and every page that shows one says so too. They are the same at every call, and go into a store of their own: one
that holds trained runs is refused. Runs that are there already are skipped. The exit code is 2 on errors.
"""

import argparse
from collections.abc import Iterator
from functools import cache
from itertools import count, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from rnc import datasets, models
from rnc.command_output import fail, print_escaped
from rnc.store.addresses import store_path
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.store.writer import CompleteRun, StoreWriter
from rnc.vocabulary import FEATURES_LAYER, PIXELS_LAYER, SYNTHETIC, TRAINED, Norm, RunState
from tests.benchmarks.synthetic.metric_rows import add_numbers
from tests.benchmarks.synthetic.vectors import FEATURE_SIZE, add_vectors
from train.config import RunConfig

_NETWORKS = (
    ("cifar10", "preact_resnet18"),
    ("cifar10", "vgg11_bn"),
    ("imagenette", "preact_resnet18"),
    ("imagenette", "vgg11_bn"),
    ("fashion_mnist", "small_cnn"),
)
_SEEDS = (1, 2, 3)
_SAMPLE_SIZE = 60
_AT_A_TIME = 16  # runs a transaction: each costs a look through the store, and their rows wait in memory
_PROVENANCE: dict[str, Any] = {
    "device": SYNTHETIC,
    "execution": None,
    "data": {},
    "threads": 0,
    "host": None,
    "git_commit": None,
    "versions": {"numpy": np.__version__},
}


def configs(epochs: int) -> Iterator[RunConfig]:
    """Endless runs to make up: a setting's five objectives with three seeds each, then the next setting."""
    for round_ in count():
        for (dataset, model), norm, seed, objective in product(_NETWORKS, Norm, _SEEDS, TRAINED):
            yield RunConfig(
                dataset=dataset,
                model=model,
                norm=norm,
                seed=seed + len(_SEEDS) * round_,
                objective=objective,
                epochs=epochs,
                measured_epochs="every",
                vector_epochs="milestones",
                layerwise_epochs="milestones",
                checkpoint_epochs="none",
                sample_size=_SAMPLE_SIZE,
            )


def run_key(config: RunConfig) -> str:
    """The id of the made-up run: not that of the run that could be trained."""
    return f"{SYNTHETIC}-{config.run_id}"


def fill(store: Path, runs: int, epochs: int) -> int:
    """Make up so many runs into a store; how many of them were new.

    Raises StoreError, and writes nothing, where the store holds a run that was trained; ValueError for impossible numbers.
    """
    if runs < 1 or epochs < 1:
        raise ValueError(f"runs and --epochs must be at least 1, got {runs} and {epochs}")
    present = finished_runs(store)
    wanted = {run_key(config): config for config in islice(configs(epochs), runs)}
    new = {run_id: config for run_id, config in wanted.items() if run_id not in present}
    writer, left = StoreWriter(store), iter(new.items())
    with tqdm(total=len(new), unit="run", disable=None) as bar:
        while some := [_made_up(run_id, config) for run_id, config in islice(left, _AT_A_TIME)]:
            writer.add_complete_runs(some)
            bar.update(len(some))
    return len(new)


def finished_runs(store: Path) -> set[str]:
    """The made-up runs that a store holds. Raises StoreError where it holds others."""
    found = StoreReader(store).runs.all()
    if found.empty:
        return set()
    trained = found[~found["synthetic"]]["run_id"]
    if len(trained):
        raise StoreError(
            f"{store} holds {len(trained)} trained runs, such as {trained.iloc[0]}; synthetic runs go into a store of their "
            "own: name another file with --store"
        )
    return set(found[found["state"] == RunState.FINISHED]["run_id"])


def _made_up(run_id: str, config: RunConfig) -> CompleteRun:
    layers = _layers(config.dataset, config.model, config.width)
    rows = Rows()
    add_numbers(rows, config, run_id, [name for name, _size in layers[:-1]])
    add_vectors(rows, config, run_id)
    classes = list(datasets.spec(config.dataset).classes)
    conditions = config.conditions + config.conditions_at_end
    return CompleteRun(run_id, config.to_json(), classes, _PROVENANCE, conditions, layers, rows)


@cache
def _layers(dataset: str, model: str, width: float) -> list[tuple[str, int]]:
    """(name, flattened size) of the input, each stage of the named network and the features, which are short here."""
    spec = datasets.spec(dataset)
    with torch.no_grad():
        activations = models.build(model, spec, width).eval().activations(torch.zeros(1, *spec.image_shape))
        stages = [(name, activation.numel()) for name, activation in activations]
    return [(PIXELS_LAYER, int(np.prod(spec.image_shape))), *stages, (FEATURES_LAYER, FEATURE_SIZE)]


def main(arguments: list[str]) -> int:
    """Fill the store and say what it holds."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.synthetic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=int, metavar="RUNS")
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--store", required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        made = fill(store_path(given.store), given.runs, given.epochs)
    except (StoreError, ValueError) as error:
        return fail(error, 2)
    print_escaped(
        f"{given.store}: {made} synthetic runs of {given.epochs} epochs made up, {given.runs - made} were there already"
    )
    return 0
