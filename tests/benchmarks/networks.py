"""Time of a training step and of a forward pass of every full network: `python -m tests.benchmarks.networks`.

Not a test: nothing is asserted about time, and pytest does not collect it. Compare two results of the same machine only.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import functional

from rnc import datasets, models
from rnc.device_and_threads import exact_float32, pick_device
from tests.benchmarks.machine import machine, seconds
from tests.benchmarks.results import header, write_json

DATASETS = ("mnist", "cifar10", "imagenette")
"""One data set an image size: 28, 32 and 160 px."""


@dataclass
class Case:
    """A network at an image size, and how long its steps and forward passes took."""

    network: str
    px: int
    parameters: int
    acts: dict[str, Callable[[], None]]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def row(self) -> dict:
        """The medians, in milliseconds a batch."""
        step, forward = (1e3 * statistics.median(self.seconds[act]) for act in ("step", "forward"))
        named = {"network": self.network, "px": self.px, "parameters": self.parameters}
        return named | {"step_ms": step, "forward_ms": forward, "ratio": step / forward}


def case(name: str, dataset: str, batch: int, device: torch.device) -> Case | None:
    """A full network with a batch made up for it; None where it takes no images of that size."""
    spec = datasets.spec(dataset)
    try:
        model = models.build(name, spec).to(device)
    except ValueError:
        return None
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    images = torch.rand(batch, *spec.image_shape, device=device)
    labels = torch.arange(batch, device=device) % spec.num_classes

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    def forward() -> None:
        model.eval()
        with torch.no_grad():
            model(images)

    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Case(name, spec.image_shape[1], parameters, {"step": step, "forward": forward})


def measure(cases: list[Case], repeats: int, device: torch.device) -> None:
    """Time every act `repeats` times, all cases in turn, so that a busy spell of the machine falls on all alike."""
    for repeat in range(-1, repeats):
        for one in cases:
            for name, act in one.acts.items():
                act()  # the other networks have emptied the caches
                taken = seconds(act, device)
                if repeat >= 0:  # the first round warms up
                    one.seconds.setdefault(name, []).append(taken)


def table(found: dict) -> str:
    """The result as people read it."""
    lines = [header(found["machine"], found["settings"])]
    lines.append(f"{'network':<16} {'px':>4} {'parameters':>11} {'step ms':>9} {'forward ms':>11} {'step/forward':>13}")
    lines += [
        f"{row['network']:<16} {row['px']:>4} {row['parameters']:>11,} "
        f"{row['step_ms']:>9.2f} {row['forward_ms']:>11.2f} {row['ratio']:>13.2f}"
        for row in found["rows"]
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8, help="images a step (default 8)")
    parser.add_argument("--repeats", type=int, default=7, help="of which the median is taken (default 7)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: as torch finds them)")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    given = parser.parse_args(arguments)
    if min(given.batch, given.repeats) < 2:
        parser.error("--batch and --repeats must be at least 2: BatchNorm needs two images, a median some repeats")
    try:
        device = pick_device(given.device)
    except ValueError as error:
        parser.error(str(error))
    if given.threads:
        torch.set_num_threads(given.threads)
    exact_float32()  # as every run is measured
    torch.manual_seed(0)
    every = (case(name, dataset, given.batch, device) for name in models.names() for dataset in DATASETS)
    cases = [one for one in every if one is not None]
    described = machine(device)
    measure(cases, given.repeats, device)
    settings = {"batch": given.batch, "repeats": given.repeats}
    found = {"machine": described, "settings": settings, "rows": [one.row() for one in cases]}
    sys.stdout.write(table(found))
    write_json(found, given.json)


if __name__ == "__main__":
    main()
