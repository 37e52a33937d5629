"""A run from initialisation to its last epoch: train, measure, store; an interrupted run can be resumed at any point."""

import time
from contextlib import nullcontext
from typing import Any

import torch
from tqdm import tqdm

from rnc import datasets, models
from rnc.device_and_threads import exact_float32, pick_device, set_threads
from rnc.features import stage_sizes
from rnc.models import FeatureClassifier
from rnc.probe.execution import Execution
from rnc.probe.interruption import OUT_OF_TIME, StopRun, TimeLimit
from rnc.probe.measure_epoch import Plan, Probe
from rnc.probe.measured_images import TrainedImages
from rnc.probe.projections import Projector
from rnc.probe.provenance import provenance
from rnc.probe.run_session import RunSession, run_session
from rnc.probe.save_networks import save_network
from rnc.probe.store_and_device_options import Options
from rnc.probe.torchrun_ranks import Ranks, join_ranks
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.umap_process import UmapProcess
from train.config import RunConfig
from train.epoch import Recorder, Trainer, seconds_since
from train.resume_file import Progress, ResumeFile, resume_path
from train.stopwatch import cost_per_epoch
from train.training_and_measured_images import RunData, load_data


def train_run(config: RunConfig, options: Options, position: int = 0) -> None:
    """Train and measure one run into the store, or resume it; `position` is the line of its progress bar.

    Raises StoreError if the run is finished or running elsewhere, or the store is not valid; StopRun if the run was
    interrupted and can be resumed.
    """
    device = pick_device(options.device)
    ranks = join_ranks(device)
    exact_float32()
    torch.manual_seed(config.seed)
    model = models.build(config.model, datasets.spec(config.dataset), config.width)
    execution = Execution.choose(device, options.precision, options.compiled, model)
    threads = set_threads(model, options.threads)
    execution.place_network(model)
    data = load_data(config, options.data_root, device)
    if not ranks.is_main:
        run = _Run(config, options, ranks, model, execution, data)
        if ranks.broadcast(True):
            run.train(position)
        return
    for shortage in data.shortages:
        tqdm.write(f"{config.run_id}: {shortage}")
    with run_session(StoreWriter(options.store), config, overwrite=options.overwrite) as session:
        run = _Run(config, options, ranks, model, execution, data, session)
        run.begin(session, threads)
        run.train(position)
        session.record_finished()
        run.resume_file.remove()
    tqdm.write(f"{config.run_id}: {cost_per_epoch(StoreReader(options.store), config.run_id)}")


class _Run:
    """The state of a run in progress, in one of its processes; only the main process has a session and writes."""

    def __init__(
        self,
        config: RunConfig,
        options: Options,
        ranks: Ranks,
        model: FeatureClassifier,
        execution: Execution,
        data: RunData,
        session: RunSession | None = None,
    ) -> None:
        self.config = config
        self.ranks = ranks
        self.model = model
        self.execution = execution
        self.data = data
        self.session = session
        self.writer = StoreWriter(options.store) if session is None else session.writer
        self.trainer = Trainer(model, data.training, config, execution, ranks)
        num_classes = datasets.spec(config.dataset).num_classes
        self.probe = Probe(config.run_id, data.measured, data.ood_images, num_classes, ranks)
        self.projector = Projector(config, self.writer)
        self.resume_file = ResumeFile(resume_path(options.store, config.run_id), config)
        if options.overwrite and session is not None:
            self.resume_file.remove()
        ranks.wait()
        self.progress = self.resume_file.restore(model, self.trainer.optimizer)
        self.limit = TimeLimit(options.deadline)

    def begin(self, session: RunSession, threads: int) -> None:
        """Mark the run as running in the store, and tell the waiting processes whether that succeeded."""
        config, images = self.config, self.data.training.images
        try:
            session.begin(
                list(datasets.spec(config.dataset).classes),
                provenance(self.execution.device, threads, str(self.trainer), self.data.full_sets),
                resume_after=self.progress.last_stored_epoch,
                epochs_done=self.progress.epoch,
                seconds_before=self.progress.seconds,
            )
        finally:
            self.ranks.broadcast(session.is_running)
        if self.trainer.joins_last:
            size = config.batch_size + 1
            tqdm.write(
                f"{config.run_id}: the last of {len(images)} images is added to the previous batch, which then has {size}"
            )
        first_image = images.pixels(torch.zeros(1, dtype=torch.int64, device=images.labels.device))
        self.writer.write_layers(config.run_id, stage_sizes(self.model, first_image))
        if self.progress.last_stored_epoch is not None:
            self.projector.load_stored_epochs()

    def train(self, position: int) -> None:
        """Train all remaining epochs, store the measured ones, and compute the UMAP of the selected ones."""
        config, progress = self.config, self.progress
        bar = tqdm(
            total=config.epochs,
            initial=progress.epoch,
            desc=self._title(),
            unit="epoch",
            position=position,
            dynamic_ncols=True,
            disable=self.session is None,
        )
        wants_umap = self.session is not None and bool(config.umap_at())
        with UmapProcess() if wants_umap else nullcontext() as umap, bar:
            if not progress.started:
                self._measure(0, bar, None)
                progress.started = True
                self._save(always=True)
            for epoch in range(progress.epoch + 1, config.epochs + 1):
                self._train_epoch(epoch, bar)
            if umap and self.session and self.projector.samples_of_last_epoch:
                bar.set_postfix_str("projecting by UMAP")
                with self.session.heartbeat.beating():
                    self.projector.project_by_umap(umap.plane)

    def _train_epoch(self, epoch: int, bar: tqdm) -> None:
        config = self.config
        is_recorded = epoch in config.measured_at() and config.trains_on_perturbed_images
        recorder = Recorder(self.data.training) if is_recorded else None
        begin = time.monotonic()
        loss = self.trainer.train_epoch(epoch, recorder, self._beat)
        self.ranks.synchronise_buffers(self.model)
        seconds = seconds_since(begin, self.execution.device)
        if self.session:
            self.session.heartbeat.epochs_done = epoch
        bar.set_postfix(loss=f"{loss:.3g}")
        bar.update()
        self.progress.unwritten.append(self._epoch_row(epoch, loss, seconds))
        self._measure(epoch, bar, recorder.recorded() if recorder else None)
        self.progress.epoch = epoch
        is_out_of_time = epoch < config.epochs and self.ranks.broadcast(self.limit.reached_by_next_epoch())
        self._save(always=is_out_of_time)
        if is_out_of_time:
            raise StopRun(f"time limit reached after epoch {epoch}; the same command resumes the run", OUT_OF_TIME)

    def _epoch_row(self, epoch: int, loss: float, seconds: float) -> dict[str, Any]:
        """Return the row of table `epoch`; the time of its measurement is filled in later."""
        return {
            "run_id": self.config.run_id,
            "epoch": epoch,
            "learning_rate": self.config.learning_rate_in(epoch),
            "train_loss": loss,
            "train_seconds": seconds,
            "attack_seconds": self.trainer.attack_watch.read_and_reset(),
            "images_per_second": len(self.data.training.images) / seconds,
            "measure_seconds": 0.0,
        }

    def _measure(self, epoch: int, bar: tqdm, trained: TrainedImages | None) -> None:
        config = self.config
        if epoch not in config.measured_at():
            return
        begin = time.monotonic()
        plan = Plan(
            epoch,
            config.conditions,
            keep_vectors=epoch in config.vectors_at(),
            layerwise=epoch in config.layerwise_at(),
            swept=config.conditions_at_end if epoch == config.epochs else [],
            trained=trained,
        )
        measured = self.probe.measure(self.model, plan, self._beat)
        if self.session is None:
            return
        if self.progress.unwritten:
            self.progress.unwritten[-1]["measure_seconds"] = time.monotonic() - begin
        for row in self.progress.unwritten:
            measured.rows.add("epoch", **row)
        if epoch in config.checkpoints_at():
            save_network(self.model, config.run_id, epoch, config.to_json(), self.writer.path, measured.rows)
        self.writer.write_epoch(config.run_id, epoch, measured.rows)
        self.progress.unwritten = []
        if plan.keep_vectors:
            self.projector.add_epoch_and_refit_pca(epoch, measured.samples)
        bar.set_description(f"{self._title()} acc {measured.train_accuracy:.1%}")

    def _save(self, *, always: bool) -> None:
        """Save the state needed to resume the run, if a save is due."""
        if self.session is None:
            return
        progress = self.progress
        state = Progress(progress.epoch, progress.started, self.session.seconds_of_all_sessions(), progress.unwritten)
        save = self.resume_file.save if always else self.resume_file.save_if_cheap
        save(self.model, self.trainer.optimizer, state)

    def _beat(self) -> None:
        if self.session:
            self.session.heartbeat.beat()

    def _title(self) -> str:
        return f"{self.config.objective} {self.config.dataset} seed {self.config.seed}"
