"""After a whole training of demo length, the BatchNorm statistics are what each objective's passes make them (paper, 5)."""

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
from train.recipes import demo

BATCHES = math.ceil(1400 / RunConfig().batch_size)
IN_DEMO = [config.objective for config in demo()]
UPDATES = {
    Objective.ST: 1,
    Objective.AT: 10 + 3,  # each attack step, once after the attack, the perturbed batch, the clean batch
    Objective.AT_EVAL_ATTACK: 1,
    Objective.TRADES: 3,  # the clean batch, the perturbed one, and the clean one again
    Objective.TRADES_RELEASED: 0,
}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The objectives that the demo leaves out, as long and in the same settings, measured at the end alone."""
    store = tmp_path_factory.mktemp("others") / "rnc.duckdb"
    rare = {"measured_epochs": "last", "vector_epochs": "none", "layerwise_epochs": "none", "umap": False}
    for objective in TRAINED:
        if objective not in IN_DEMO:
            config = replace(demo()[0], objective=objective, measure_subset=100, **rare)
            train_run(config, Options(store, device="cpu", threads=1))
    return store


def last_network(store: Path, objective: Objective) -> FeatureClassifier:
    """The network after the last epoch of a run."""
    ((path, digest, epoch, epochs),) = ask(
        store,
        "SELECT path, sha256, epoch, CAST(config ->> '$.epochs' AS INTEGER) FROM checkpoint JOIN run USING (run_id) "
        "WHERE config ->> '$.objective' = ? ORDER BY epoch DESC LIMIT 1",
        str(objective),
    )
    assert epoch == epochs == 60
    return weights.load(store.parent / path, digest)


@pytest.mark.parametrize("objective", TRAINED)
def test_running_statistics_after_a_whole_training(objective: Objective, demo_store: Path, others: Path) -> None:
    network = last_network(demo_store if objective in IN_DEMO else others, objective)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 4
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
        assert int(norm.num_batches_tracked) == UPDATES[objective] * BATCHES * 60
        untouched = bool((norm.running_mean == 0).all() and (norm.running_var == 1).all())
        assert untouched is (objective is Objective.TRADES_RELEASED)
        assert not bool((norm.weight == 1).all()), "but what is learnt has moved"
