"""Some images of a source, perturbed for display as in the run's measurement: their request and their result.

Tested by tests/rnc/lab/engine/test_perturbed_images.py.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from rnc.lab.estimates import attack_passes
from rnc.lab.network_and_images import RequestError, check_integer
from rnc.lab.request_base import OneNetworkRequest, check_attack
from rnc.lab.result_base import Result

MOST_PERTURBED = 200
"""Largest number of images that one request perturbs."""
_MOST_SAMPLE_INDEX = 2**31 - 1


@dataclass(frozen=True)
class PerturbedImagesRequest(OneNetworkRequest):
    """Some images of a source by their sample indices, perturbed as in the run's measurement. Raises RequestError."""

    kind: ClassVar[str] = "pictures"
    samples: tuple[int, ...]
    """The images' sample indices in their data set, ascending and without repetition."""
    images: int = field(default=0, init=False)
    seed: int = field(default=0, init=False)
    layers: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check all fields."""
        for sample in self.samples:
            check_integer("the index of an image", sample, 0, _MOST_SAMPLE_INDEX)
        object.__setattr__(self, "samples", tuple(sorted(set(self.samples))))
        if len(self.samples) > MOST_PERTURBED:
            raise RequestError(f"at most {MOST_PERTURBED} images are perturbed for display, got {len(self.samples)}")
        object.__setattr__(self, "images", len(self.samples))
        self._check_fields()
        check_attack(self.condition)

    def passes_per_image(self) -> float:
        """Return the approximate number of forward passes per image."""
        return attack_passes(self.condition, every_frame=False)

    def sample_indices(self) -> tuple[int, ...]:
        """Return the sample indices of the images."""
        return self.samples


@dataclass(frozen=True)
class PerturbedImagesResult(Result):
    """Some images, clean and perturbed, and the network's predictions."""

    stored_as: ClassVar[str] = "PicturesResult"
    condition: str
    stopped: bool
    as_recorded: bool
    device: str
    seconds: float
    sample: np.ndarray
    """(n,) the sample indices in the data set, ascending."""
    label: np.ndarray
    """(n,) true classes."""
    decided: np.ndarray
    """(2, n) the predicted classes, clean and perturbed."""
    clean_images: np.ndarray
    """(n, c, h, w) float32 in [0, 1]."""
    perturbed_images: np.ndarray
    """(n, c, h, w) float32 in [0, 1]."""

    def _summary(self) -> dict[str, Any]:
        return {"condition": self.condition, "images": len(self.sample)}
