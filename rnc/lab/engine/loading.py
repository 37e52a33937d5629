"""Loading of the lab's inputs: a stored network and a class-balanced selection of images, on the available device."""

import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from rnc import datasets
from rnc.attacks.problem import Logits
from rnc.datasets import ImageSet
from rnc.device_and_threads import exact_float32, pick_device, set_threads
from rnc.features import FeatureSet, ImageBatch, feature_batches, gather
from rnc.lab.network_and_images import Source
from rnc.lab.request_base import Request
from rnc.models import FeatureClassifier, weights
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, folded_copy
from rnc.vocabulary import Split

_BATCH_PIXELS = {"cpu": 2**18, "cuda": 2**22}
"""Pixel values per batch. On a CPU, 85 images of 3 x 32 x 32; more would exceed its cache. 1365 such images fill a GPU."""
_LEAST_BATCH, _MOST_BATCH = 8, 500
_IMAGE_COPIES = 8
"""Copies of each attacked image in memory at once: clean, start, iterates, gradient, kept, and outputs."""
_MEMORY_SHARE = 0.5
"""Share of the free memory that the images may take."""


@dataclass(frozen=True)
class AttackInputs:
    """A network in eval mode and images (N, c, h, w) in [0, 1] with labels and sample indices (N,), on one device."""

    model: FeatureClassifier
    images: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    num_classes: int
    as_recorded: bool = True
    """True if the images are those of the run; another source of a data set may order them differently."""
    batch: int | None = None
    """Images per batch; if None, the size of an image determines it."""

    @cached_property
    def logits_fn(self) -> Logits:
        """The logits that an attack differentiates, computed by a faster copy of the network if there is one."""
        return folded_copy(self.model, self.images[:CHECKED_IMAGES]) or self.model

    @property
    def device_name(self) -> str:
        """`cpu`, or the name of the GPU."""
        device = self.images.device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)

    def batched_positions(self) -> list[torch.Tensor]:
        """Return the positions 0..N-1, split into batches."""
        pixels = _BATCH_PIXELS["cpu" if self.images.device.type == "cpu" else "cuda"]
        fitting = min(max(pixels // self.images[0].numel(), _LEAST_BATCH), _MOST_BATCH)
        return list(torch.arange(len(self.images), device=self.images.device).split(self.batch or fitting))

    def features(self, images: torch.Tensor) -> FeatureSet:
        """Return features and logits of clean or perturbed images (N, c, h, w), computed by the network itself."""
        return gather(feature_batches(self.model, self.image_batches(images, self.labels)))

    def image_batches(self, images: torch.Tensor, labels: torch.Tensor) -> list[ImageBatch]:
        """Return images (N, c, h, w) in batches, to be measured with `labels` (N,)."""
        return [ImageBatch(images[part], labels[part], self.labels[part]) for part in self.batched_positions()]


@dataclass(frozen=True)
class _LoadedImages:
    """All images of a data set's split, of which a run used a balanced subset."""

    dataset: str
    split: Split
    subset: int
    """The number of images that the run used; 0 for all."""
    images: ImageSet
    num_classes: int
    fingerprint: str
    """That of the images that the run used."""

    def balanced(self, count: int) -> torch.Tensor:
        """Return the positions (n,) of `count` class-balanced images that the run used, or of all if there are fewer."""
        # A smaller balanced selection is contained in a larger one, so these images are among those that the run used.
        most = min(count, self.subset or len(self.images))
        return self.images.balanced_indices(most, self.num_classes)

    def selected(self, samples: Sequence[int]) -> torch.Tensor:
        """Return the positions (n,) of images by their sample indices. Raises DatasetError if an index is too large."""
        if samples and max(samples) >= len(self.images):
            raise datasets.DatasetError(
                f"{self.dataset} has {len(self.images)} images of {self.split}, but the request names index {max(samples)}"
            )
        return torch.tensor(samples, dtype=torch.int64)


class InputLoader:
    """A loader of networks and images that keeps the last network and the last data set in memory, and no others."""

    def __init__(self) -> None:
        """Create a loader without network or data set."""
        self._network: FeatureClassifier | None = None
        self._network_sha256 = ""
        self._images: _LoadedImages | None = None

    def load_networks_in_turn(self, request: Request) -> Iterator[AttackInputs]:
        """Yield each of a request's networks with the request's images, when it is its turn.

        Raises the errors of `balanced`, and DatasetError if the data set has no image of a requested index.
        """
        samples = request.sample_indices()
        for source in request.sources:
            loaded = self._load_images(source)
            indices = loaded.balanced(request.images) if samples is None else loaded.selected(samples)
            yield self._inputs(source, loaded, indices)

    def balanced(self, source: Source, count: int) -> AttackInputs:
        """Return a stored network and `count` class-balanced images of its source, or all images if there are fewer.

        Raises CheckpointError if the file is missing or is not the one in the store, DatasetError if the data set has no
        images, and ValueError if the images do not fit into memory or the network has another number of classes than the data
        set.
        """
        loaded = self._load_images(source)
        return self._inputs(source, loaded, loaded.balanced(count))

    def _inputs(self, source: Source, loaded: _LoadedImages, indices: torch.Tensor) -> AttackInputs:
        """Return the network and the images at these positions of the data set."""
        device = pick_device()
        exact_float32()
        _check_memory(len(indices), loaded.images.images[0].numel(), device)
        as_recorded = source.fingerprint in (None, loaded.fingerprint)
        model = self._load_network(source, device)
        if len(model.weight) != loaded.num_classes:
            raise ValueError(
                f"the network has {len(model.weight)} classes, but its data set has {loaded.num_classes}; the store names "
                "another data set than the network was made for"
            )
        chosen = loaded.images.take(indices).to(device)
        return AttackInputs(model, chosen.pixels(), chosen.labels, indices.to(device), loaded.num_classes, as_recorded)

    def _load_images(self, source: Source) -> _LoadedImages:
        key = (source.dataset, source.split, source.subset)
        if self._images is None or (self._images.dataset, self._images.split, self._images.subset) != key:
            self._images = None
            images = datasets.load(source.dataset, source.split, download=False)
            if not len(images):
                raise datasets.DatasetError(f"{source.dataset} has no images of {source.split}")
            num_classes = datasets.spec(source.dataset).num_classes
            of_run = images.take(images.balanced_indices(source.subset, num_classes)) if source.subset else images
            self._images = _LoadedImages(*key, images, num_classes, of_run.fingerprint())
        return self._images

    def _load_network(self, source: Source, device: torch.device) -> FeatureClassifier:
        if self._network is None or self._network_sha256 != source.sha256:
            self._network = None  # free the memory before the next network is loaded
            self._network_sha256 = source.sha256
            model = weights.load(Path(source.checkpoint), source.sha256).to(device)
            set_threads(model)
            self._network = model
        return self._network


def _check_memory(count: int, pixels: int, device: torch.device) -> None:
    """Raise ValueError if the copies of the images that an attack keeps in memory would not fit."""
    bytes_each = pixels * 4 * _IMAGE_COPIES
    free = _free_memory(device)
    if free is not None and count * bytes_each > _MEMORY_SHARE * free:
        fitting = int(_MEMORY_SHARE * free / bytes_each)
        raise ValueError(
            f"{count} images of this size take {count * bytes_each / 2**30:.1f} GiB while they are attacked, and "
            f"{free / 2**30:.1f} GiB are free; ask for at most {fitting} images"
        )


def _free_memory(device: torch.device) -> int | None:
    """Return the free bytes of the machine and of this process's limit; None if the system does not report them."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = _kilobytes("/proc/meminfo", "MemAvailable")
    soft, _hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        left = max(soft - (_kilobytes("/proc/self/status", "VmData") or 0), 0)
        free = left if free is None else min(free, left)
    return free


def _kilobytes(path: str, name: str) -> int | None:
    """Return the value of a line of one of Linux's tables in bytes, or None if it cannot be read."""
    try:
        lines = Path(path).read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
