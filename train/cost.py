"""What a run would take: a few passes are timed on this device, and counted for the whole run (`--dry-run`)."""

import time
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from rnc import datasets, models
from rnc.devices import pick_device, set_threads
from rnc.models.modes import model_mode
from rnc.probe.execution import Execution
from rnc.probe.options import Options
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
"""Images for training and testing of the whole data sets."""

_BATCH, _REPEATS = 32, 3
_MOST_OPERATIONS, _LEAST_WIDTH = 10**10, 0.125
"""Of a pass of one image, above which a narrower network is timed in its place; the full ones here stay below it."""


class Estimate:
    """Seconds of runs; what was timed for one serves all runs of the same network and image size."""

    def __init__(self, options: Options) -> None:
        """Time on the device and with the options that the runs would get."""
        self._options = options
        self._timed: dict[tuple, tuple[float, float, float]] = {}

    def seconds(self, config: RunConfig) -> float:
        """Training and measurement of a run; loading, UMAP and the store are left out."""
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
        look = sum(_look(condition.steps, role, forward, attack_step) for role, condition in config.conditions)
        swept = sum(_look(condition.steps, role, forward, attack_step) for role, condition in config.conditions_at_end)
        look_deeper = 4 * forward * len(config.layerwise_at())
        return config.epochs * train * step[config.objective] + measured * (
            len(config.measured_at()) * look + swept + look_deeper
        )

    def _timings(self, config: RunConfig) -> tuple[float, float, float]:
        """Seconds an image of a forward pass, of an attack step, and of a training step."""
        spec = datasets.spec(config.dataset)
        key = (config.model, config.width, spec.image_shape, spec.num_classes)
        if key not in self._timed:
            device = pick_device(self._options.device)
            width, times = _width_to_time(config.model, config.width, spec)
            model = models.build(config.model, spec, width)
            set_threads(model, self._options.threads)
            execution = Execution.choose(device, self._options.precision, self._options.compiled, model)
            execution.prepare(model)
            images = execution.place(torch.rand(_BATCH, *spec.image_shape, device=device))
            labels = torch.arange(_BATCH, device=device) % spec.num_classes
            forward, attack_step, train_step = _time_passes(model, images, labels, execution)
            self._timed[key] = times * forward, times * attack_step, times * train_step
        return self._timed[key]


def _width_to_time(name: str, width: float, spec: datasets.DatasetSpec) -> tuple[float, float]:
    """The largest width, halved from the asked one, at which a pass costs little; and how many times more the asked one costs.

    Operations are counted on networks without memory, so that no width is too large to be told what it would take.
    """
    asked = found = _operations(name, width, spec)
    while found > _MOST_OPERATIONS and width > _LEAST_WIDTH:
        width /= 2
        found = _operations(name, width, spec)
    return width, asked / found


def _operations(name: str, width: float, spec: datasets.DatasetSpec) -> int:
    """Multiplications and additions of a forward pass of one image."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        models.build(name, spec, width).eval()(torch.empty(1, *spec.image_shape))
    return counter.get_total_flops()


def _look(steps: int | None, role: Role, forward: float, attack_step: float) -> float:
    """Seconds an image of measuring a condition."""
    return 0.0 if role is Role.RELABELLED else forward + (steps or 0) * attack_step


def _time_passes(
    model: models.FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, execution: Execution
) -> tuple[float, float, float]:
    def forward() -> None:
        with torch.no_grad():
            model(images)

    def attack_step() -> None:
        moved = images.detach().requires_grad_(True)
        torch.autograd.grad(functional.cross_entropy(model(moved), labels), moved)

    def train_step() -> None:
        functional.cross_entropy(model(images), labels).backward()

    with model_mode(model, training=False):
        plain = _seconds(forward, execution) / len(images)
        with execution.autocast():
            attack = _seconds(attack_step, execution) / len(images)
    with model_mode(model, training=True), execution.autocast():
        return plain, attack, _seconds(train_step, execution) / len(images)


def _seconds(act: Callable[[], None], execution: Execution) -> float:
    """The fastest of a few, after one to warm up."""
    act()
    found = []
    for _ in range(_REPEATS):
        begin = time.monotonic()
        act()
        found.append(seconds_since(begin, execution.device))
    return min(found)
