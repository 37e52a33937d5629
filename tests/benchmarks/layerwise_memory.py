"""Peak memory of the layerwise measurement of PreAct-ResNet-18 at full width: `python -m tests.benchmarks.layerwise_memory`.

Each size is measured in a process of its own, twice: one forward pass of a batch, which any measurement needs, and the
whole two-pass measurement of every stage (d up to 65,536).
"""

import argparse
import multiprocessing
import os
import time

import torch

from rnc import datasets, metrics, models
from rnc.attacks.from_condition import perturbation
from rnc.conditions import CLEAN
from rnc.datasets import ImageSet
from rnc.features import perturbed_batches, positions, stage_batches
from tests.benchmarks.machine import megabytes


def measure(samples: int, width: float, threads: int, sent: "multiprocessing.SimpleQueue[tuple[float, float]]") -> None:
    """Send the peak extra memory in MB, above that of the loaded program and images, and the seconds."""
    torch.set_num_threads(threads)
    spec = datasets.spec("cifar10")
    network = models.build("preact_resnet18", spec, width).eval().to(memory_format=torch.channels_last)
    images = torch.randint(256, (samples, *spec.image_shape), dtype=torch.uint8)
    data = ImageSet(images, torch.arange(samples) % spec.num_classes)
    clean = perturbation(CLEAN, network, spec.num_classes, 0)
    before, begin = megabytes("VmHWM"), time.monotonic()
    with torch.no_grad():
        batches = lambda: stage_batches(network, perturbed_batches(data, clean, batch_positions=positions(samples)))  # noqa: E731
        means = metrics.layer_means(batches, spec.num_classes)
        found = metrics.layerwise(batches, means, means)
    assert len(found) == 11 and max(of.means.shape[1] for of in means.values()) == int(65_536 * width)
    sent.put((megabytes("VmHWM") - before, time.monotonic() - begin))


def main() -> None:
    """Print a line a size and the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    # glibc lets this threshold grow, and with it what lies free in fragments: about 100 MB more the longer a process runs.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "131072")
    context = multiprocessing.get_context("spawn")
    peaks = []
    print(
        f"PreAct-ResNet-18, width {chosen.width:g}, torch {torch.__version__}, {chosen.threads} threads, {os.cpu_count()} cores"
    )
    for samples in chosen.samples:
        sent = context.SimpleQueue()
        process = context.Process(target=measure, args=(samples, chosen.width, chosen.threads, sent))
        process.start()
        peak, seconds = sent.get()
        process.join()
        peaks.append(peak)
        print(f"N = {samples:6d}: peak extra {peak:7.1f} MB, {seconds:6.1f} s", flush=True)
    print(f"largest difference {max(peaks) - min(peaks):.1f} MB")


if __name__ == "__main__":
    main()
