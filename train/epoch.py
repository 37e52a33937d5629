"""Training for one epoch."""

import math
import time
from collections.abc import Callable

import torch
from torch import nn

from rnc.attacks import SampleNoise
from rnc.models import FeatureClassifier
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, FoldedCopy, folded_copy
from rnc.probe.execution import Execution
from rnc.probe.interruption import Diverged
from rnc.probe.measured_images import TrainedImages
from rnc.probe.torchrun_ranks import Ranks
from train.config import RunConfig
from train.eager_sgd import EagerSGD
from train.losses import TrainingLoss, training_images
from train.stopwatch import Stopwatch
from train.training_and_measured_images import TrainingSet


class Recorder:
    """A buffer for the perturbed images of the measured samples, filled while an epoch trains on them."""

    def __init__(self, data: TrainingSet) -> None:
        """Allocate the buffer; images that are not measured go to an extra row, so that the device need not wait."""
        count, device = len(data.measured), data.images.labels.device
        self._slot = torch.full((len(data.images),), count, device=device)
        self._slot[data.measured] = torch.arange(count, device=device)
        self._images = torch.empty((count + 1, *data.images.images.shape[1:]), device=device)
        self._filled = torch.zeros(count + 1, dtype=torch.bool, device=device)

    def add(self, positions: torch.Tensor, images: torch.Tensor) -> None:
        """Add the training images (n, c, h, w) of a batch."""
        slots = self._slot[positions]
        self._images[slots] = images.detach().to(self._images.dtype)
        self._filled[slots] = True

    def recorded(self) -> TrainedImages:
        """Return the images recorded in this process."""
        positions = self._filled[:-1].nonzero().squeeze(1)
        return TrainedImages(self._images[positions], positions)


def batches(order: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """Split an order (N,) into batches of `size` and a remainder; a remainder of one image joins the batch before.

    BatchNorm cannot compute a variance from one value: it fails on a batch of one image if a feature map is 1 x 1
    pixels.
    """
    parts = order.split(size)
    if len(parts) > 1 and len(parts[-1]) == 1:
        return (*parts[:-2], torch.cat(parts[-2:]))
    return parts


class Trainer:
    """The network, its optimiser and the training step."""

    def __init__(
        self, model: FeatureClassifier, data: TrainingSet, config: RunConfig, execution: Execution, ranks: Ranks
    ) -> None:
        """Wrap the loss for several processes if needed; the attack uses the unwrapped network."""
        self.model = model
        self._data = data
        self._config = config
        self._execution = execution
        self._ranks = ranks
        self.optimizer = EagerSGD(
            model.parameters(), config.learning_rate, config.momentum, weight_decay=config.weight_decay, fused=True
        )
        self.attack_watch = Stopwatch(execution.device)
        self.joins_last = len(data.images) > config.batch_size and len(data.images) % config.batch_size == 1
        """True if an epoch's last batch would be a single image, which `batches` adds to the batch before."""
        self._network = execution.compile(model)
        self._folded = self._fold(model)
        loss: nn.Module = TrainingLoss(self._network, config)
        self._loss = nn.parallel.DistributedDataParallel(loss) if ranks.count > 1 else loss

    def _fold(self, model: FeatureClassifier) -> FoldedCopy | None:
        few = torch.arange(min(CHECKED_IMAGES, len(self._data.images)), device=self._data.images.labels.device)
        copy = folded_copy(model, self._execution.to_memory_layout(self._data.images.pixels(few)))
        return copy if copy is None else self._execution.compile(copy)

    def __str__(self) -> str:
        """Return the description of the execution for table `run`."""
        parts = [str(self._execution)]
        parts += ["eval-mode attacks on folded BatchNorm"] * (self._folded is not None)
        parts += ["the last image joins the batch before it"] * self.joins_last
        return ", ".join(parts) + str(self._ranks)

    def train_epoch(
        self, epoch: int, recorder: Recorder | None = None, beat: Callable[[], None] = lambda: None
    ) -> float:
        """Train for one epoch in an order given by (seed, epoch); return the mean loss in nats.

        Raises Diverged if the loss is not finite.
        """
        images, config = self._data.images, self._config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate_in(epoch)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        order = torch.randperm(len(images), generator=generator).to(images.labels.device)
        total = torch.zeros((), dtype=torch.float64, device=images.labels.device)
        for batch in batches(order, config.batch_size):
            total += self._step(batch, epoch, recorder)
            beat()
        mean = float(self._ranks.sum(total)) / len(images)
        if not math.isfinite(mean):
            raise Diverged(
                f"the loss of epoch {epoch} is {mean}: the network has diverged; the earlier checkpoints are kept. "
                "Try a smaller --learning-rate"
            )
        return mean

    def _step(self, batch: torch.Tensor, epoch: int, recorder: Recorder | None) -> torch.Tensor:
        """Train on this process's share of a batch; return its summed loss, still on the device."""
        data, config, ranks = self._data, self._config, self._ranks
        mine = batch[ranks.rank :: ranks.count]
        weight = len(mine) * ranks.count / len(batch)
        if not len(mine):  # the batch is smaller than the number of processes: this process gets weight 0
            mine = batch[:1]
        clean, labels = self._execution.to_memory_layout(data.images.pixels(mine)), data.images.labels[mine]
        noise = SampleNoise(config.seed * 1_000_003 + epoch, data.sample_indices[mine])
        with self._execution.autocast():
            with self.attack_watch.running():
                trained = training_images(self._network, clean, labels, config, noise, self._folded)
            loss = self._loss(clean, trained, labels)
        self.optimizer.zero_grad(set_to_none=True)
        (loss if ranks.count == 1 else loss * weight).backward()
        self.optimizer.step()
        if recorder is not None and weight:
            recorder.add(mine, trained)
        return loss.detach().double() * (weight * len(batch) / ranks.count)


def seconds_since(begin: float, device: torch.device) -> float:
    """Return the elapsed time, including the work queued on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - begin
