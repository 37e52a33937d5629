"""A run from initialisation to its last epoch: train, measure, store; an interrupted run can be resumed at any point."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from tqdm import tqdm

from rnc import datasets, log, models
from rnc.devices import exact_float32, pick_device, set_threads
from rnc.features import stage_sizes
from rnc.models import FeatureClassifier
from rnc.probe.checkpoints import forget_unknown, save_network
from rnc.probe.distributed import Ranks, join_ranks
from rnc.probe.execution import Execution
from rnc.probe.heartbeat import Heart
from rnc.probe.interruption import OUT_OF_TIME, StopRun, TimeLimit, sigterm_stops
from rnc.probe.options import Options
from rnc.probe.probe import Plan, Probe, TrainedImages
from rnc.probe.projections import Projector
from rnc.probe.provenance import provenance
from rnc.store.errors import StoreError
from rnc.store.locks import run_lock
from rnc.store.other_stores import refuse_networks_of_others
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.umap_process import UmapProcess
from rnc.vocabulary import RunState
from train.config import RunConfig
from train.data import RunData, load_data
from train.epoch import Recorder, Trainer, seconds_since
from train.resume import Progress, ResumeFile, resume_path
from train.stopwatch import spent


def train_run(config: RunConfig, options: Options, position: int = 0) -> None:
    """Train and measure one run into the store, or resume it; `position` is the line of its progress bar.

    Raises StoreError if the run is finished or running elsewhere, or the store is not valid; StopRun if the run was
    asked to stop and can be resumed.
    """
    device = pick_device(options.device)
    ranks = join_ranks(device)
    exact_float32()
    torch.manual_seed(config.seed)
    model = models.build(config.model, datasets.spec(config.dataset), config.width)
    execution = Execution.choose(device, options.precision, options.compiled, model)
    threads = set_threads(model, options.threads)
    execution.prepare(model)
    data = load_data(config, options.data_root, device)

    def run() -> _Run:
        return _Run(config, model, data, execution, ranks, options, position)

    if not ranks.first:
        follower = run()
        if ranks.agree(True):
            follower.go()
        return
    for shortage in data.shortages:
        tqdm.write(f"{config.run_id}: {shortage}")
    with sigterm_stops(), run_lock(options.store, config.run_id):
        refuse_networks_of_others(options.store, config.run_id)
        leader = run()
        about = provenance(device, threads, str(leader.trainer), data.whole)
        if leader.trainer.joins_last:
            count, size = len(data.training.images), config.batch_size
            tqdm.write(f"{config.run_id}: the last of {count} images joins the batch before it, which has {size + 1}")
        with leader.entered(about):
            leader.go()
    tqdm.write(f"{config.run_id}: {spent(StoreReader(options.store), config.run_id)}")


class _Run:
    """The state of a run in progress."""

    def __init__(
        self,
        config: RunConfig,
        model: FeatureClassifier,
        data: RunData,
        execution: Execution,
        ranks: Ranks,
        options: Options,
        position: int,
    ) -> None:
        self.config, self.model, self.execution, self.ranks, self.options = config, model, execution, ranks, options
        self.data, self.position, self.begin = data, position, time.monotonic()
        self.writer = StoreWriter(options.store)
        self.trainer = Trainer(model, data.training, config, execution, ranks)
        num_classes = datasets.spec(config.dataset).num_classes
        self.probe = Probe(config.run_id, data.measured, data.foreign, num_classes, ranks)
        self.projector = Projector(config, self.writer)
        self.resume = ResumeFile(resume_path(options.store, config.run_id), config)
        if options.overwrite and ranks.first:
            self.resume.remove()
        ranks.wait()
        self.progress = self.resume.restore(model, self.trainer.optimizer)
        self.heart = Heart(self.writer, config.run_id, self.progress.epoch)
        self.limit = TimeLimit(options.deadline)

    @contextmanager
    def entered(self, about: dict) -> Iterator[None]:
        """Mark the run as running in the store within the block, and record its final state afterwards."""
        config, landed = self.config, self.progress.landed
        conditions = config.conditions + config.conditions_at_end
        classes = list(datasets.spec(config.dataset).classes)
        entered = False
        try:
            self.writer.begin_run(
                config.run_id, config.to_json(), classes, about, conditions,
                overwrite=self.options.overwrite, resume_after=landed,
            )  # fmt: skip
            entered = True
            log.event(
                "run goes on" if landed else "run begun", run=config.run_id, epoch=landed or 0, device=about["device"]
            )
        finally:
            self.ranks.agree(entered)  # the other processes wait for this
        try:
            forget_unknown(self.options.store, config.run_id, -1 if landed is None else landed)
            names = self.data.training.names
            first = self.data.training.images.pixels(torch.zeros(1, dtype=torch.int64, device=names.device))
            self.writer.write_layers(config.run_id, stage_sizes(self.model, first))
            if landed is not None:
                self.projector.restore()
            yield
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | StopRun)
            reason = str(error) if isinstance(error, StopRun) else f"{type(error).__name__}: {error}"
            reason = "stopped by the user" if isinstance(error, KeyboardInterrupt) else reason
            self._end(RunState.INTERRUPTED if stopped else RunState.FAILED, reason)
            raise
        self._end(RunState.FINISHED)
        self.resume.remove()

    def _end(self, state: RunState, reason: str | None = None) -> None:
        level = logging.ERROR if state is RunState.FAILED else logging.INFO
        log.event(f"run {state}", level, run=self.config.run_id, epoch=self.progress.epoch, reason=reason)
        try:
            self.writer.end_run(self.config.run_id, state, self._seconds(), reason)
        except StoreError:  # e.g. the disk is full; the error that ended the run is more useful
            if state is RunState.FINISHED:
                raise

    def _seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.begin

    def go(self) -> None:
        """Train all remaining epochs, store the measured ones, and compute the UMAP of the selected ones."""
        config, progress = self.config, self.progress
        title = f"{config.objective} {config.dataset} seed {config.seed}"
        bar = tqdm(
            total=config.epochs, initial=progress.epoch, desc=title, unit="epoch", position=self.position,
            dynamic_ncols=True, disable=not self.ranks.first,
        )  # fmt: skip
        wants_umap = self.ranks.first and bool(config.umap_at())
        with UmapProcess() if wants_umap else nullcontext() as umap, bar:
            if not progress.started:
                self._measure(0, bar, None)
                progress.started = True
                self._save(always=True)
            for epoch in range(progress.epoch + 1, config.epochs + 1):
                self._epoch(epoch, bar)
            if umap and self.projector.latest:
                bar.set_postfix_str("projecting by UMAP")
                with self.heart.beating():
                    self.projector.project_by_umap(umap.plane)

    def _epoch(self, epoch: int, bar: tqdm) -> None:
        config, device = self.config, self.execution.device
        recorded = epoch in config.measured_at() and config.records_training
        recorder = Recorder(self.data.training) if recorded else None
        begin = time.monotonic()
        loss = self.trainer.train_epoch(epoch, recorder, self._beat)
        self.ranks.same_network(self.model)
        seconds = seconds_since(begin, device)
        self.heart.epochs_done = epoch
        bar.set_postfix(loss=f"{loss:.3g}")
        bar.update()
        row = {"run_id": config.run_id, "epoch": epoch, "learning_rate": config.learning_rate_in(epoch)}
        row |= {
            "train_loss": loss,
            "train_seconds": seconds,
            "attack_seconds": self.trainer.attack_watch.taken(),
            "images_per_second": len(self.data.training.images) / seconds,
        }
        self.progress.unwritten.append(row | {"measure_seconds": 0.0})
        self._measure(epoch, bar, recorder.taken() if recorder else None)
        self.progress.epoch = epoch
        out_of_time = epoch < config.epochs and self.ranks.agree(self.limit.reached())
        self._save(always=out_of_time)
        if out_of_time:
            raise StopRun(f"time limit reached after epoch {epoch}; the same command goes on", OUT_OF_TIME)

    def _measure(self, epoch: int, bar: tqdm, trained: TrainedImages | None) -> None:
        config = self.config
        if epoch not in config.measured_at():
            return
        begin = time.monotonic()
        keep_vectors = epoch in config.vectors_at()
        plan = Plan(
            epoch, config.conditions, keep_vectors, epoch in config.layerwise_at(),
            config.conditions_at_end if epoch == config.epochs else [], trained,
        )  # fmt: skip
        measured = self.probe.measure(self.model, plan, self._beat)
        if not self.ranks.first:
            return
        if self.progress.unwritten:
            self.progress.unwritten[-1]["measure_seconds"] = time.monotonic() - begin
        for row in self.progress.unwritten:
            measured.rows.add("epoch", **row)
        if epoch in config.checkpoints_at():
            save_network(self.model, config.run_id, epoch, config.to_json(), self.writer.path, measured.rows)
        self.writer.write_epoch(config.run_id, epoch, measured.rows)
        self.progress.unwritten = []
        if keep_vectors:
            self.projector.add_epoch(epoch, measured.samples)
        bar.set_description(f"{config.objective} {config.dataset} seed {config.seed} acc {measured.train_accuracy:.1%}")

    def _save(self, *, always: bool) -> None:
        """Save the state needed to resume the run, if a save is due."""
        if self.ranks.first:
            state = Progress(self.progress.epoch, self.progress.started, self._seconds(), self.progress.unwritten)
            save = self.resume.save if always else self.resume.save_if_cheap
            save(self.model, self.trainer.optimizer, state)

    def _beat(self) -> None:
        if self.ranks.first:
            self.heart.beat()
