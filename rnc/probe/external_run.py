"""Measurement of external networks into the store: the rows of a trained run, except those of its training."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from rnc.command_line import printable
from rnc.datasets import DatasetSpec, ImageSet
from rnc.features import stage_sizes
from rnc.models import FeatureClassifier
from rnc.models.external_weights import fill, read
from rnc.models.wrapped import WrappedClassifier
from rnc.probe.checkpoints import save_network
from rnc.probe.execution import Execution
from rnc.probe.external_config import OwnRun
from rnc.probe.heartbeat import Heart
from rnc.probe.interruption import StopRun, sigterm_stops
from rnc.probe.measured_images import foreign_images, measured_positions, measured_set
from rnc.probe.options import Options
from rnc.probe.probe import Plan, Probe
from rnc.probe.projections import Projector
from rnc.probe.provenance import provenance
from rnc.store.errors import StoreError
from rnc.store.locks import run_lock
from rnc.store.other_stores import refuse_networks_of_others
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.umap_process import UmapProcess
from rnc.vocabulary import RunState, Split

_CHECKED_IMAGES = 8
_SAME = 1e-3  # relative to the largest logit; far above rounding errors


@dataclass(frozen=True)
class Subject:
    """A network that takes its weights from each file in turn, and the images; all of it is checked."""

    model: FeatureClassifier
    files: list[tuple[int, Path]]
    """(epoch, file), sorted by epoch."""
    spec: DatasetSpec
    whole: dict[Split, ImageSet]
    weights_key: str = ""
    """The key of the weights inside the files; searched for if empty."""


def load_weights(model: FeatureClassifier, path: Path, images: ImageSet, key: str = "") -> list[str]:
    """Load a file's weights into a network, from a key in the file if given; return how they were found, in words.

    Raises WeightsError, and ValueError if the logits of some images are not finite or differ from those of the last
    layer.
    """
    state, done = read(path, key)
    done += fill(model.module if isinstance(model, WrappedClassifier) else model, state, path)
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


def measure_run(run: OwnRun, subject: Subject, options: Options, execution: Execution, threads: int) -> None:
    """Measure a run's networks, epoch by epoch; an interrupted measurement continues after the last stored epoch.

    Raises RunExistsError if the run is finished, and StoreError if it is running elsewhere or the store is not valid.
    """
    with sigterm_stops(), run_lock(options.store, run.run_id):
        refuse_networks_of_others(options.store, run.run_id)
        _Measuring(run, subject, options, execution, threads).go()


class _Measuring:
    """The state of a measurement in progress."""

    def __init__(self, run: OwnRun, subject: Subject, options: Options, execution: Execution, threads: int) -> None:
        self.run, self.subject, self.options, self.execution = run, subject, options, execution
        self.writer, self.begin = StoreWriter(options.store), time.monotonic()
        num_classes, device = subject.spec.num_classes, execution.device
        chosen_of = {split: measured_positions(run, part, num_classes) for split, part in subject.whole.items()}
        sets = {
            split: measured_set(run, part, torch.arange(len(part)), chosen, num_classes, device)
            for (split, part), chosen in zip(subject.whole.items(), chosen_of.values(), strict=True)
        }
        last = list(sets.values())[-1]
        foreign = foreign_images(run, subject.spec.image_shape, len(last.images), options.data_root).to(device)
        self.probe, self.sets = Probe(run.run_id, sets, foreign, num_classes), sets
        self.projector, self.heart = Projector(run, self.writer), Heart(self.writer, run.run_id)
        self.about = provenance(device, threads, f"{execution}, measured only", subject.whole)

    def go(self) -> None:
        """Measure all epochs that are not stored yet, and compute their UMAP."""
        landed = self._landed()
        with self._entered(landed), UmapProcess() if self.run.umap_at() else nullcontext() as umap:
            left = [(epoch, path) for epoch, path in self.subject.files if landed is None or epoch > landed]
            for epoch, path in tqdm(
                left, desc=f"measuring {printable(self.run.run_id)}", unit="epoch", dynamic_ncols=True
            ):
                self._measure(epoch, path)
            if umap and self.projector.latest:
                with self.heart.beating():
                    self.projector.project_by_umap(umap.plane)

    def _landed(self) -> int | None:
        """Return the last stored epoch of this run."""
        found = StoreReader(self.options.store).runs.all()
        if self.options.overwrite or found.empty or self.run.run_id not in set(found["run_id"]):
            return None
        epochs = StoreReader(self.options.store).metrics.measured_epochs([self.run.run_id])["epoch"]
        return None if epochs.empty else int(epochs.max())

    @contextmanager
    def _entered(self, landed: int | None) -> Iterator[None]:
        """Mark the run as running in the store within the block, and record its final state afterwards."""
        run = self.run
        self.writer.begin_run(
            run.run_id, run.to_json(), list(self.subject.spec.classes), self.about,
            run.conditions + run.conditions_at_end, overwrite=self.options.overwrite, resume_after=landed,
        )  # fmt: skip
        try:
            first = self.sets[Split.TRAIN].images.take(self.sets[Split.TRAIN].kept[:1]).pixels()
            self.writer.write_layers(run.run_id, stage_sizes(self.subject.model, first))
            if landed is not None:
                self.projector.restore()
            yield
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | StopRun)
            reason = "stopped by the user" if isinstance(error, KeyboardInterrupt) else str(error)
            with suppress(StoreError):  # the error that ended the run is more useful
                self._end(RunState.INTERRUPTED if stopped else RunState.FAILED, reason)
            raise
        self._end(RunState.FINISHED)

    def _end(self, state: RunState, reason: str | None = None) -> None:
        self.writer.end_run(self.run.run_id, state, time.monotonic() - self.begin, reason)

    def _measure(self, epoch: int, path: Path) -> None:
        run, model = self.run, self.subject.model
        load_weights(model, path, self.subject.whole[Split.TRAIN], self.subject.weights_key)
        plan = Plan(
            epoch, run.conditions, epoch in run.vectors_at(), epoch in run.layerwise_at(),
            run.conditions_at_end if epoch == run.epochs[-1] else [],
        )  # fmt: skip
        measured = self.probe.measure(model, plan, self.heart.beat)
        if epoch in run.checkpoints_at():
            save_network(model, run.run_id, epoch, run.network, self.options.store, measured.rows)
        self.writer.write_epoch(run.run_id, epoch, measured.rows)
        if plan.keep_vectors:
            self.projector.add_epoch(epoch, measured.samples)
        self.heart.epochs_done = epoch
