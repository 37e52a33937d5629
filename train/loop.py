"""One run from initialisation to its last epoch: train, measure, store."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from rnc import datasets, models
from rnc.attacks import SampleNoise
from rnc.datasets import ImageSet
from rnc.devices import exact_float32, pick_device, set_threads
from rnc.models import FeatureClassifier
from rnc.store.run_lock import run_lock
from rnc.store.writer import StoreWriter
from rnc.vocabulary import FEATURES_LAYER, HEARTBEAT_SECONDS, RunState, Split
from train.checkpoint import save_checkpoint
from train.config import RunConfig
from train.losses import training_loss
from train.probe import Probe
from train.project import Projector
from train.provenance import provenance


@dataclass(frozen=True)
class Options:
    """What a command may choose that does not change the result."""

    store: Path
    """The DuckDB file to write; made where there is none."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0."""
    threads: int = 0
    """CPU threads of a run; 0 takes one for a small network and all cores for others."""
    overwrite: bool = False
    """Train a finished run with the same key again, in place of the stored one."""

    def check(self) -> None:
        """Make the store where there is none. Raises ValueError or StoreError where an option cannot be met."""
        pick_device(self.device)
        if self.threads < 0:
            raise ValueError(f"threads must be 0 (automatic) or more, got {self.threads}")
        StoreWriter(self.store).prepare()


class Heart:
    """Beats into the store every few seconds, however often it is asked to."""

    def __init__(self, writer: StoreWriter, run_id: str) -> None:
        """Start at epoch 0."""
        self._writer, self._run_id, self._last, self.epochs_done = writer, run_id, time.monotonic(), 0

    def beat(self) -> None:
        """Tell the store that this run lives, if it has not been told lately."""
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            self._writer.heartbeat(self._run_id, self.epochs_done)
            self._last = time.monotonic()


def train_run(config: RunConfig, options: Options, position: int = 0) -> None:
    """Train and measure one run into the store; `position` is the line of its progress bar.

    Raises StoreError where the run exists, is under way elsewhere, or the store is none.
    """
    writer = StoreWriter(options.store)
    device = pick_device(options.device)
    torch.manual_seed(config.seed)
    model = models.build(config.model, datasets.spec(config.dataset)).to(device)
    threads = set_threads(sum(p.numel() for p in model.parameters()), options.threads)
    exact_float32()
    with run_lock(options.store, config.run_id):
        writer.begin_run(
            config.run_id,
            config.to_json(),
            list(datasets.spec(config.dataset).classes),
            provenance(device, threads),
            config.conditions,
            overwrite=options.overwrite,
        )
        start = time.monotonic()
        try:
            _Run(config, model, writer, device, position).go()
        except BaseException as error:
            reason = (
                "stopped by the user" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
            )
            writer.end_run(config.run_id, RunState.FAILED, time.monotonic() - start, reason)
            raise
        writer.end_run(config.run_id, RunState.FINISHED, time.monotonic() - start)


class _Run:
    """The state of a run under way."""

    def __init__(
        self, config: RunConfig, model: FeatureClassifier, writer: StoreWriter, device: torch.device, position: int
    ) -> None:
        self.config, self.model, self.writer, self.position = config, model, writer, position
        self.sets = {split: datasets.load(config.dataset, split).to(device) for split in Split}
        self.heart = Heart(writer, config.run_id)
        conditions = [condition for _role, condition in config.conditions]
        num_classes = datasets.spec(config.dataset).num_classes
        self.probe = Probe(config.run_id, self.sets, conditions, config.sample_size, num_classes)
        self.projector = Projector(config, writer)

    def go(self) -> None:
        """All epochs, the measured ones into the store, and the last one's UMAP."""
        config = self.config
        self.writer.write_layers(config.run_id, _layers(self.model, self.sets[Split.TRAIN]))
        optimizer = torch.optim.SGD(
            self.model.parameters(), config.learning_rate, config.momentum, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, config.drop_epochs, gamma=0.1)
        title = f"{config.objective} {config.dataset} seed {config.seed}"
        with tqdm(total=config.epochs, desc=title, unit="epoch", position=self.position, dynamic_ncols=True) as bar:
            self._measure(0, bar)
            for epoch in range(1, config.epochs + 1):
                loss = train_epoch(self.model, self.sets[Split.TRAIN], config, epoch, optimizer, self.heart.beat)
                schedule.step()
                self.heart.epochs_done = epoch
                bar.set_postfix(loss=f"{loss:.3g}")
                bar.update()
                self._measure(epoch, bar)
        if config.umap and self.projector.latest:
            tqdm.write(f"{title}: projecting the last epoch by UMAP")
            self.projector.project_by_umap()

    def _measure(self, epoch: int, bar: tqdm) -> None:
        config = self.config
        if epoch not in config.measured_at():
            return
        keep_vectors = epoch in config.vectors_at()
        measured = self.probe.measure(self.model, epoch, keep_vectors=keep_vectors, beat=self.heart.beat)
        if epoch in config.checkpoints_at():
            save_checkpoint(self.model, config, epoch, self.writer.path, measured.rows)
        self.writer.write_epoch(config.run_id, epoch, measured.rows)
        if keep_vectors:
            self.projector.add_epoch(epoch, measured.samples)
        bar.set_description(f"{config.objective} {config.dataset} seed {config.seed} acc {measured.train_accuracy:.1%}")


def train_epoch(
    model: FeatureClassifier,
    data: ImageSet,
    config: RunConfig,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    beat: Callable[[], None] = lambda: None,
) -> float:
    """One pass over the training set in an order given by (seed, epoch); returns the mean loss in nats."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(data), generator=generator).to(data.labels.device)
    total = 0.0
    for indices in order.split(config.batch_size):
        noise = SampleNoise(config.seed * 1_000_003 + epoch, indices)
        loss = training_loss(model, data.images[indices], data.labels[indices], config, noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(indices)
        beat()
    return total / len(data)


@torch.no_grad()
def _layers(model: FeatureClassifier, data: ImageSet) -> list[tuple[str, int]]:
    """(name, flattened size) of the input, each stage and the penultimate features."""
    images = data.images[:1]
    was_training = model.training
    stages = [(name, activation.numel()) for name, activation in model.eval().activations(images)]
    model.train(was_training)
    return [("pixels", images.numel()), *stages, (FEATURES_LAYER, model.weight.shape[1])]
