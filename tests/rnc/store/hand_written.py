"""Stores with rows written by hand, for the tests of the store; no torch, no training."""

from pathlib import Path
from typing import Any

import duckdb

from rnc.conditions import CLEAN, Condition
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import FEATURES_LAYER, ConditionKind, Norm, Role, TargetRule

PERTURBED = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10)
TARGETED = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10, target_rule=TargetRule.NEXT)
L2 = Condition(ConditionKind.PGD, Norm.L2, 0.5, 10)
"""The extra condition: the other norm."""
CONDITIONS = [(Role.CLEAN, CLEAN), (Role.PERTURBED, PERTURBED), (Role.TARGETED, TARGETED), (Role.EXTRA, L2)]
PROVENANCE: dict[str, Any] = {
    "device": "cpu (test)",
    "execution": "float32",
    "data": {"train": {"images": 12, "fingerprint": "abc"}},
    "threads": 1,
    "host": "here",
    "git_commit": "abc",
    "versions": {"python": "3"},
}
CLASSES = ["zero", "one", "two"]


def config(**changes: Any) -> dict[str, Any]:
    """The fields of a config that queries look at."""
    return {
        "dataset": "digits",
        "model": "small_cnn",
        "objective": "st",
        "norm": "linf",
        "epsilon": 8 / 255,
        "seed": 1,
        "epochs": 4,
        "umap": True,
    } | changes


def begin(
    path: Path,
    run_id: str,
    conditions: list[tuple[Role, Condition]] = CONDITIONS,
    overwrite: bool = False,
    **changes: Any,
) -> StoreWriter:
    """Enter a run; the changes are of its config."""
    writer = StoreWriter(path)
    writer.begin_run(run_id, config(**changes), CLASSES, PROVENANCE, conditions, overwrite=overwrite)
    return writer


def add_metrics(
    rows: Rows,
    run_id: str,
    epoch: int,
    split: str,
    condition: Condition,
    values: dict[str, float],
    means: tuple[str, Condition] | None = None,
    layer: str = FEATURES_LAYER,
) -> None:
    """Rows of table `metric`, around the condition's own means where no others are named."""
    means_split, around = means or (split, condition)
    rows.add(
        "metric",
        run_id=run_id,
        epoch=epoch,
        split=split,
        condition=condition.slug,
        means_split=means_split,
        means_condition=around.slug,
        layer=layer,
        metric=list(values),
        value=list(values.values()),
    )


def one_epoch(run_id: str, epoch: int, nc1: float = 1.0) -> Rows:
    """The least that counts as a measured epoch."""
    rows = Rows()
    add_metrics(rows, run_id, epoch, "train", CLEAN, {"nc1": nc1})
    return rows


def leave_unused_room(store: Path) -> None:
    """Write many rows into a store and delete them, which leaves unused room in its file."""
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            "INSERT INTO metric SELECT m.* REPLACE (hash(r.range) / 3 AS value, 'gone' AS run_id) "
            "FROM (FROM metric LIMIT 1) m, range(300000) r"
        )
        connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM metric WHERE run_id = 'gone'")
