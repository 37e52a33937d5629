"""Cost estimates of runs (`--dry-run`): time a few passes on this device, and multiply by the number of passes.

Tested by tests/train/test_bounds.py.
"""

import time
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from rnc import datasets, models
from rnc.device_and_threads import pick_device, set_threads
from rnc.models.modes import model_mode
from rnc.probe.execution import Execution
from rnc.probe.store_and_device_options import Options
from rnc.vocabulary import Objective, Role
from train.config import RunConfig
from train.epoch import seconds_since

_IMAGES = {
    "digits": (1_400, 340),
    "mnist": (60_000, 10_000),
    "fashion_mnist": (60_000, 10_000),
    "cifar10": (50_000, 10_000),
    "cifar100": (50_000, 10_000),
    "imagenette": (9_469, 3_925),
}
"""Numbers of training and test images in the full data sets."""

_MOST_IMAGES, _LEAST_IMAGES = 32, 2
_REPEATS = 3
_BATCH_OPERATIONS = 4 * 10**9
"""Of a pass on a CPU: of a costly network fewer images are timed, so that a dry run takes seconds."""
_MOST_OPERATIONS, _LEAST_WIDTH = 10**10, 0.125
"""Limit for a pass of one image, above which a narrower network is timed instead; the built-in full networks are below it."""


class Estimate:
    """Estimated seconds of runs; timings are shared by all runs with the same network and image size."""

    def __init__(self, options: Options) -> None:
        """Store the options of the runs; passes are timed on their device."""
        self._options = options
        self._timed: dict[tuple, tuple[float, float, float]] = {}

    def seconds(self, config: RunConfig) -> float:
        """Return the seconds of training and measurement of a run, without loading, attack paths, UMAP and the store."""
        forward, attack_step, train_step = self._timings(config)
        train, test = _IMAGES[config.dataset]
        train = config.subset or train
        attack = config.attack.steps * attack_step
        step = {
            Objective.ST: train_step,
            Objective.AT: attack + 2 * forward + train_step,
            Objective.AT_EVAL_ATTACK: attack + train_step,
            Objective.TRADES: attack + 2 * forward + 2 * train_step,
            Objective.TRADES_RELEASED: attack + forward + 2 * train_step,
        }
        measured = sum(min(config.measure_subset or images, images) for images in (train, test))
        per_image = sum(
            _measurement_seconds(condition.steps, role, forward, attack_step) for role, condition in config.conditions
        )
        swept_per_image = sum(
            _measurement_seconds(condition.steps, role, forward, attack_step)
            for role, condition in config.conditions_at_end
        )
        layers_per_image = 4 * forward * len(config.layerwise_at())
        return config.epochs * train * step[config.objective] + measured * (
            len(config.measured_at()) * per_image + swept_per_image + layers_per_image
        )

    def _timings(self, config: RunConfig) -> tuple[float, float, float]:
        """Return the seconds per image of a forward pass, an attack step and a training step."""
        spec = datasets.spec(config.dataset)
        key = (config.model, config.width, spec.image_shape, spec.num_classes)
        if key not in self._timed:
            device = pick_device(self._options.device)
            width, operations, times = _width_to_time(config.model, config.width, spec)
            model = models.build(config.model, spec, width)
            set_threads(model, self._options.threads)
            execution = Execution.choose(device, self._options.precision, self._options.compiled, model)
            execution.place_network(model)
            batch = _images_to_time(operations, device)
            images = execution.to_memory_layout(torch.rand(batch, *spec.image_shape, device=device))
            labels = torch.arange(batch, device=device) % spec.num_classes
            forward, attack_step, train_step = _time_passes(model, images, labels, execution)
            self._timed[key] = times * forward, times * attack_step, times * train_step
        return self._timed[key]


def _width_to_time(name: str, width: float, spec: datasets.DatasetSpec) -> tuple[float, int, float]:
    """Return a width with a cheap pass, halved from the requested one as needed, and the factor to the requested width's cost.

    Operations are counted on networks without memory, so the cost of any width can be estimated.
    """
    requested = timed = _operations(name, width, spec)
    while timed > _MOST_OPERATIONS and width > _LEAST_WIDTH:
        width /= 2
        timed = _operations(name, width, spec)
    return width, timed, requested / timed


def _images_to_time(operations: int, device: torch.device) -> int:
    """Return the number of images in a timed batch, given the operations of one image's pass."""
    if device.type != "cpu":
        return _MOST_IMAGES
    return min(max(_BATCH_OPERATIONS // operations, _LEAST_IMAGES), _MOST_IMAGES)


def _operations(name: str, width: float, spec: datasets.DatasetSpec) -> int:
    """Return the multiplications and additions in a forward pass of one image."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        models.build(name, spec, width).eval()(torch.empty(1, *spec.image_shape))
    return counter.get_total_flops()


def _measurement_seconds(steps: int | None, role: Role, forward: float, attack_step: float) -> float:
    """Return the seconds per image of measuring a condition."""
    return 0.0 if role is Role.RELABELLED else forward + (steps or 0) * attack_step


def _time_passes(
    model: models.FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, execution: Execution
) -> tuple[float, float, float]:
    def forward() -> None:
        with torch.no_grad():
            model(images)

    def attack_step() -> None:
        perturbed = images.detach().requires_grad_(True)
        torch.autograd.grad(functional.cross_entropy(model(perturbed), labels), perturbed)

    def train_step() -> None:
        functional.cross_entropy(model(images), labels).backward()

    with model_mode(model, training=False):
        plain = _seconds(forward, execution) / len(images)
        with execution.autocast():
            attack = _seconds(attack_step, execution) / len(images)
    with model_mode(model, training=True), execution.autocast():
        return plain, attack, _seconds(train_step, execution) / len(images)


def _seconds(act: Callable[[], None], execution: Execution) -> float:
    """Return the fastest time of several calls, after one warm-up call."""
    act()
    seconds = []
    for _ in range(_REPEATS):
        begin = time.monotonic()
        act()
        seconds.append(seconds_since(begin, execution.device))
    return min(seconds)
