"""After a whole training, as long as the demo where it has one, BatchNorm's statistics are what its passes make (paper, 5)."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from rnc.models import FeatureClassifier, weights
from rnc.probe.store_and_device_options import Options
from rnc.vocabulary import TRAINED, Objective
from tests.train.small import ask
from train.config import RunConfig
from train.loop import train_run
from train.named_run_sets import demo

IN_DEMO = [config.objective for config in demo()]
SHORT = {"epochs": 3, "subset": 300}  # two whole batches and a partial one
UPDATES = {
    Objective.ST: 1,
    Objective.AT: 10 + 3,  # each attack step, once after the attack, the perturbed batch, the clean batch
    Objective.AT_EVAL_ATTACK: 1,
    Objective.TRADES: 3,  # the clean batch, the perturbed one, and the clean one again
    Objective.TRADES_RELEASED: 0,
}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The objectives that the demo leaves out, in the same settings and for few steps, measured at the end alone.

    Each step passes as often as any other: the statistics' updates are counted, and a count is as right after 9 as after 660.
    """
    store = tmp_path_factory.mktemp("others") / "rnc.duckdb"
    rare = {"measured_epochs": "last", "vector_epochs": "none", "layerwise_epochs": "none", "umap": False}
    rare |= {"measure_subset": 100, "epsilon_fractions": ()} | SHORT
    for objective in TRAINED:
        if objective not in IN_DEMO:
            config = replace(demo()[0], objective=objective, **rare)
            train_run(config, Options(store, device="cpu", threads=1))
    return store


def last_network(store: Path, objective: Objective, epochs: int) -> FeatureClassifier:
    """The network after the last epoch of a run."""
    ((path, digest, epoch, configured),) = ask(
        store,
        "SELECT path, sha256, epoch, CAST(config ->> '$.epochs' AS INTEGER) FROM checkpoint JOIN run USING (run_id) "
        "WHERE config ->> '$.objective' = ? ORDER BY epoch DESC LIMIT 1",
        str(objective),
    )
    assert epoch == configured == epochs
    return weights.load(store.parent / path, digest)


@pytest.mark.parametrize("objective", TRAINED)
def test_running_statistics_after_a_whole_training(objective: Objective, demo_store: Path, others: Path) -> None:
    store, (epochs, images) = (demo_store, (60, 1400)) if objective in IN_DEMO else (others, SHORT.values())
    network, batches = last_network(store, objective, epochs), math.ceil(images / RunConfig().batch_size)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 4
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
        assert int(norm.num_batches_tracked) == UPDATES[objective] * batches * epochs
        untouched = bool((norm.running_mean == 0).all() and (norm.running_var == 1).all())
        assert untouched is (objective is Objective.TRADES_RELEASED)
        assert not bool((norm.weight == 1).all()), "but what is learnt has moved"
