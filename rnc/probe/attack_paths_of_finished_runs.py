"""Attack paths of runs that were measured before paths were kept: from the stored network, at the epochs that have one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnc import datasets
from rnc.attacks.problem import Logits
from rnc.conditions import CLEAN, Condition
from rnc.device_and_threads import exact_float32, set_threads
from rnc.models import FeatureClassifier, weights
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, folded_copy
from rnc.probe.attack_path import ROLES_WITH_PATH, AttackedNetwork, add_path_rows, path_features, steps_of_path
from rnc.probe.measure_epoch import ATTACK_SEED
from rnc.probe.measured_images import MeasuredSet
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState, Split

if TYPE_CHECKING:
    import pandas as pd

LEAST_AGREEMENT = 0.95
"""Least share of samples whose decision under the repeated attack is the stored one."""


@dataclass(frozen=True)
class AddedPath:
    """The path of one epoch, split and condition."""

    epoch: int
    split: Split
    condition: str
    agreement: float
    """Share of the samples whose decision after the last step is the stored one."""


class PathsNotAddedError(Exception):
    """Error raised if the paths of a run cannot be added; the message gives the reason."""


def add_attack_paths(store: Path, run_id: str, root: Path | None, device: torch.device) -> list[AddedPath]:
    """Add the attack paths of a finished run at every epoch whose network and features are stored; return what was added.

    The attacks are repeated on the sampled images. Raises PathsNotAddedError if the run is not finished or has no such epoch, if
    the images are not those of the run, or if a repeated attack does not come to the stored decisions; nothing is added then.
    """
    reader = StoreReader(store)
    runs = reader.runs.all().set_index("run_id")
    if run_id not in runs.index or runs.loc[run_id, "state"] != RunState.FINISHED:
        raise PathsNotAddedError(f"{store} has no finished run {run_id}; list its runs by python -m rnc.store")
    stored = reader.samples.epochs_and_conditions_with_features(run_id)
    networks = reader.runs.checkpoints([run_id])
    networks = networks[networks["epoch"].isin(stored["epoch"])]
    if networks.empty:
        raise PathsNotAddedError(f"run {run_id} stored no network of an epoch whose features it stored")
    exact_float32()
    rows, added = Rows(), []
    for network in networks.to_dict("records"):
        model = weights.load(reader.runs.network(str(network["path"])), str(network["sha256"])).to(device)
        set_threads(model)
        of_epoch = stored[stored["epoch"] == network["epoch"]]
        for split in sorted(set(of_epoch["split"])):
            here = _Here(
                reader, run_id, int(network["epoch"]), Split(split), str(runs.loc[run_id, "images_from"]), root
            )
            added += here.add_paths(model, rows, device)
    StoreWriter(store).replace_attack_paths(run_id, [int(epoch) for epoch in networks["epoch"]], rows)
    return added


@dataclass(frozen=True)
class _Here:
    """The samples of a run at one epoch and split."""

    reader: StoreReader
    run_id: str
    epoch: int
    split: Split
    images_from: str
    root: Path | None

    def add_paths(self, model: FeatureClassifier, rows: Rows, device: torch.device) -> list[AddedPath]:
        """Add the paths of the run's attacks to `rows`, checked against the stored decisions."""
        conditions = self.reader.runs.conditions([self.run_id])
        of_roles = conditions[conditions["role"].isin([str(role) for role in ROLES_WITH_PATH])]["condition"]
        clean = self._stored(CLEAN.slug)
        part = self._images(clean, device)
        few = torch.arange(min(CHECKED_IMAGES, len(part.images)), device=device)
        logits_fn: Logits = folded_copy(model, part.images.pixels(few)) or model
        network = AttackedNetwork(model, logits_fn, ATTACK_SEED)
        added = []
        for slug in of_roles:
            condition = Condition.from_slug(slug)
            steps, perturbed = steps_of_path(condition), self._stored(slug)
            if steps and len(perturbed):
                added.append(self._add(condition, steps, perturbed, part, network, rows))
        return added

    def _add(
        self,
        condition: Condition,
        steps: list[int],
        perturbed: "pd.DataFrame",
        part: MeasuredSet,
        network: AttackedNetwork,
        rows: Rows,
    ) -> AddedPath:
        num_classes, last = len(network.model.weight), condition.steps or 0
        with torch.no_grad():
            features = path_features(condition, part, network, num_classes, [*steps, last])
        agreement = float((features.pop(last).predicted.cpu().numpy() == perturbed["predicted"].to_numpy()).mean())
        if agreement < LEAST_AGREEMENT:
            raise PathsNotAddedError(
                f"at epoch {self.epoch}, {condition.slug} on {self.split} images comes to the stored decisions for "
                f"{agreement:.1%} of the samples only, so it is not the attack that was measured"
            )
        key = {"run_id": self.run_id, "epoch": self.epoch, "split": self.split, "condition": condition.slug}
        add_path_rows(rows, key, perturbed["sample"].to_numpy(), features)
        return AddedPath(self.epoch, self.split, condition.slug, agreement)

    def _stored(self, condition: str) -> "pd.DataFrame":
        return self.reader.samples.features_at_epoch(self.run_id, self.epoch, self.split, [condition], is_kept=False)

    def _images(self, clean: "pd.DataFrame", device: torch.device) -> MeasuredSet:
        """Return the sampled images. Raises PathsNotAddedError if their labels are not the stored ones."""
        every = datasets.load(self.images_from, self.split, self.root, download=False)
        indices = torch.from_numpy(clean["sample"].to_numpy(np.int64))
        if int(indices.max()) >= len(every) or every.labels[indices].tolist() != clean["label"].tolist():
            raise PathsNotAddedError(
                f"the {self.split} images of {self.images_from} on this machine are not those of the run"
            )
        return MeasuredSet(
            every.take(indices).to(device), indices.to(device), torch.arange(len(indices), device=device)
        )
