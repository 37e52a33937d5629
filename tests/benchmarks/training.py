"""Images a second of training, against the plain loop that people write: `python -m tests.benchmarks.training`.

The plain loop is float32, eager, and attacks by `loss.backward()`, which also makes gradients of the weights. Both do the
same passes in the same BatchNorm modes on the same random images, in turn; the ratio is of medians. A full-length run is
`python -m train.run cifar10-vgg11_bn-st-s1 --data-root FOLDER`.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from rnc import datasets, models
from rnc.datasets import ImageSet
from rnc.devices import exact_float32, pick_device
from rnc.vocabulary import Objective
from tests.benchmarks.machine import machine, seconds
from train.config import RunConfig
from train.epoch import Trainer, TrainingSet
from train.execution import Execution, Precision
from train.ranks import Ranks

NETWORKS = ("vgg11_bn", "preact_resnet18")
OBJECTIVES = (Objective.ST, Objective.AT)


def plain_epoch(config: RunConfig, data: TrainingSet) -> Callable[[], None]:
    """An epoch as people write it, ready to be called; AT makes the released code's two further passes."""
    images, labels = data.images.pixels(), data.images.labels
    model = models.build(config.model, datasets.spec(config.dataset), config.width).to(images.device).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    attack = config.attack

    def perturbed(clean: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = (clean + (torch.rand_like(clean) * 2 - 1) * attack.epsilon).clamp(0, 1)
        for _step in range(attack.steps):
            x = x.detach().requires_grad_(True)
            functional.cross_entropy(model(x), y).backward()
            assert x.grad is not None
            x = x.detach() + attack.step_size * x.grad.sign()
            x = torch.min(torch.max(x, clean - attack.epsilon), clean + attack.epsilon).clamp(0, 1)
        return x.detach()

    def epoch() -> None:
        for part in torch.randperm(len(labels), device=labels.device).split(config.batch_size):
            clean, y = images[part], labels[part]
            x = perturbed(clean, y) if config.objective is Objective.AT else clean
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            if config.objective is Objective.AT:
                with torch.no_grad():
                    model(x)
                    model(clean)

    return epoch


def our_epoch(config: RunConfig, data: TrainingSet, precision: Precision, compiled: bool) -> Callable[[], None]:
    """An epoch of `train.run`, ready to be called."""
    device = data.images.labels.device
    execution = Execution.choose(device, precision, compiled)
    model = execution.prepare(models.build(config.model, datasets.spec(config.dataset), config.width))
    trainer = Trainer(model, data, config, execution, Ranks())

    def epoch() -> None:
        trainer.train_epoch(1)

    return epoch


def main() -> None:
    """Measure, print a line a network and objective, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--width", type=float, default=None, help="default: 1 on a GPU, 1/8 on a CPU")
    parser.add_argument(
        "--images", type=int, default=None, help="images an epoch; default: 12,800 on a GPU, 256 on a CPU"
    )
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", type=Precision, default=Precision.AUTO)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = pick_device(given.device)
    gpu = device.type == "cuda"
    count, width = given.images or (12_800 if gpu else 256), given.width or (1.0 if gpu else 0.125)
    torch.manual_seed(0)
    exact_float32()
    shape = datasets.spec("cifar10").image_shape
    images = ImageSet(torch.randint(256, (count, *shape), dtype=torch.uint8), torch.arange(count) % 10).to(device)
    data = TrainingSet(images, torch.arange(count, device=device), torch.arange(1, device=device))
    print(" · ".join(f"{name} {value}" for name, value in machine(device).items()))
    print(
        f"width {width:g}, {count} images of 32 px, batch {given.batch}, median of {given.repeats}, {given.precision}"
    )
    rows = []
    for network in NETWORKS:
        for objective in OBJECTIVES:
            config = RunConfig(
                dataset="cifar10", model=network, objective=objective, width=width, batch_size=given.batch
            )
            epochs = {
                "plain": plain_epoch(config, data),
                "ours": our_epoch(config, data, given.precision, given.compiled),
            }
            taken: dict[str, list[float]] = {name: [] for name in epochs}
            for repeat in range(-1, given.repeats):
                for name, epoch in epochs.items():
                    once = seconds(epoch, device)
                    if repeat >= 0:  # the first warms up
                        taken[name].append(once)
            speed = {name: count / statistics.median(times) for name, times in taken.items()}
            rows.append(
                {"network": network, "objective": str(objective), **speed, "ratio": speed["ours"] / speed["plain"]}
            )
            print(
                f"{network:16s} {objective:3s} plain {speed['plain']:9.1f}/s   ours {speed['ours']:9.1f}/s   "
                f"ratio {rows[-1]['ratio']:.2f}",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(device), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
