"""Measurement of external networks into the store: the rows of a trained run, except those of its training.

Tested by tests/train/test_measure.py.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from rnc.command_output import printable
from rnc.datasets import DatasetSpec, ImageSet
from rnc.features import stage_sizes
from rnc.models import FeatureClassifier
from rnc.models.external_weights import copy_weights, read_weights
from rnc.models.wrapped import WrappedClassifier
from rnc.probe.execution import Execution
from rnc.probe.external_measurement_config import ExternalRun
from rnc.probe.measure_epoch import Plan, Probe
from rnc.probe.measured_images import measured_positions, measured_set, ood_images
from rnc.probe.projections import Projector
from rnc.probe.provenance import provenance
from rnc.probe.run_session import RunSession, run_session
from rnc.probe.save_networks import save_network
from rnc.probe.store_and_device_options import Options
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.umap_process import UmapProcess
from rnc.vocabulary import Split

_CHECKED_IMAGES = 8
_SAME = 1e-3  # relative to the largest logit; far above rounding errors


@dataclass(frozen=True)
class ExternalNetworks:
    """A network that takes its weights from each file in turn, and the images; all of it is checked."""

    model: FeatureClassifier
    files: list[tuple[int, Path]]
    """(epoch, file), sorted by epoch."""
    spec: DatasetSpec
    image_sets: dict[Split, ImageSet]
    weights_key: str = ""
    """The key of the weights inside the files; searched for if empty."""


def load_weights(model: FeatureClassifier, path: Path, images: ImageSet, key: str = "") -> list[str]:
    """Load a file's weights into a network, from a key in the file if given; return how they were found, in words.

    Raises WeightsError, and ValueError if the logits of some images are not finite or differ from those of the last
    layer.
    """
    state, done = read_weights(path, key)
    done += copy_weights(model.module if isinstance(model, WrappedClassifier) else model, state, path)
    few = images.take(images.balanced_indices(_CHECKED_IMAGES, 1)).pixels().to(model.mean.device)
    if not bool(model.eval()(few).isfinite().all()):
        raise ValueError(f"checkpoint {path}: the network's logits are NaN or infinite; take an earlier checkpoint")
    apart = model.mismatch(few) if isinstance(model, WrappedClassifier) else 0.0
    if apart > _SAME:
        raise ValueError(
            f"checkpoint {path}: with its weights the logits differ by {100 * apart:.3g} % of the largest logit from W h + b, "
            f"W and b being those of {model.classifier_name}; the network must end in a linear layer"
        )
    return done


def measure_run(
    run: ExternalRun, networks: ExternalNetworks, options: Options, execution: Execution, threads: int
) -> None:
    """Measure a run's networks, epoch by epoch; an interrupted measurement continues after the last stored epoch.

    Raises RunExistsError if the run is finished, and StoreError if it is running elsewhere or the store is not valid.
    """
    with run_session(StoreWriter(options.store), run, overwrite=options.overwrite) as session:
        last_stored = None if options.overwrite else _last_stored_epoch(options.store, run.run_id)
        measurement = _Measurement(run, networks, options, execution, session)
        about = provenance(execution.device, threads, f"{execution}, measured only", networks.image_sets)
        session.begin(list(networks.spec.classes), about, resume_after=last_stored, epochs_done=last_stored or 0)
        measurement.prepare(is_resumed=last_stored is not None)
        measurement.measure_all(after=last_stored)


def _last_stored_epoch(store: Path, run_id: str) -> int | None:
    """Return the last stored epoch of a run, or None."""
    reader = StoreReader(store)
    runs = reader.runs.all()
    if runs.empty or run_id not in set(runs["run_id"]):
        return None
    epochs = reader.metrics.measured_epochs([run_id])["epoch"]
    return None if epochs.empty else int(epochs.max())


class _Measurement:
    """The state of a measurement in progress."""

    def __init__(
        self, run: ExternalRun, networks: ExternalNetworks, options: Options, execution: Execution, session: RunSession
    ) -> None:
        self.run = run
        self.networks = networks
        self.session = session
        self.writer = session.writer
        num_classes = networks.spec.num_classes
        self.sets = {}
        for split, part in networks.image_sets.items():
            chosen = measured_positions(run, part, num_classes)
            self.sets[split] = measured_set(run, part, torch.arange(len(part)), chosen, num_classes, execution.device)
        last = list(self.sets.values())[-1]
        ood = ood_images(run, networks.spec.image_shape, len(last.images), options.data_root)
        self.probe = Probe(run.run_id, self.sets, ood.to(execution.device), num_classes)
        self.projector = Projector(run, self.writer)

    def prepare(self, *, is_resumed: bool) -> None:
        """Store the stages of the network, and load the projections of the epochs that are stored already."""
        train = self.sets[Split.TRAIN]
        first_image = train.images.take(train.stored_positions[:1]).pixels()
        self.writer.write_layers(self.run.run_id, stage_sizes(self.networks.model, first_image))
        if is_resumed:
            self.projector.load_stored_epochs()

    def measure_all(self, *, after: int | None) -> None:
        """Measure all epochs, or those after an epoch, and compute their UMAP."""
        left = [(epoch, path) for epoch, path in self.networks.files if after is None or epoch > after]
        bar = tqdm(left, desc=f"measuring {printable(self.run.run_id)}", unit="epoch", dynamic_ncols=True)
        with UmapProcess() if self.run.umap_at() else nullcontext() as umap:
            for epoch, path in bar:
                self._measure(epoch, path)
            if umap and self.projector.samples_of_last_epoch:
                with self.session.heartbeat.beating():
                    self.projector.project_by_umap(umap.plane)

    def _measure(self, epoch: int, path: Path) -> None:
        run, model = self.run, self.networks.model
        load_weights(model, path, self.networks.image_sets[Split.TRAIN], self.networks.weights_key)
        plan = Plan(
            epoch,
            run.conditions,
            keep_vectors=epoch in run.vectors_at(),
            layerwise=epoch in run.layerwise_at(),
            swept=run.conditions_at_end if epoch == run.epochs[-1] else [],
        )
        measured = self.probe.measure(model, plan, self.session.heartbeat.beat)
        if epoch in run.checkpoints_at():
            save_network(model, run.run_id, epoch, run.network, self.writer.path, measured.rows)
        self.writer.write_epoch(run.run_id, epoch, measured.rows)
        if plan.keep_vectors:
            self.projector.add_epoch_and_refit_pca(epoch, measured.samples)
        self.session.heartbeat.epochs_done = epoch
