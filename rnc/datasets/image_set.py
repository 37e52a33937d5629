"""Images and labels in memory: stored as bytes, converted to floats in [0, 1] on request."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the dashboard uses this package without loading torch
    import torch

_ORDER_SEED = 0


@dataclass(frozen=True)
class ImageSet:
    """Images (N, c, h, w) uint8 in 0..levels and labels (N,) int64, in a fixed order: the index identifies a sample."""

    images: "torch.Tensor"
    labels: "torch.Tensor"
    levels: int = 255
    """The byte that represents a pixel of 1."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.labels)

    def pixels(self, indices: "torch.Tensor | None" = None) -> "torch.Tensor":
        """Return the images (n, c, h, w) of some samples, or of all, as float32 in [0, 1]."""
        chosen = self.images if indices is None else self.images[indices]
        return chosen.float() / self.levels

    def take(self, indices: "torch.Tensor") -> "ImageSet":
        """Return the set of some samples."""
        return ImageSet(self.images[indices], self.labels[indices], self.levels)

    def balanced_indices(self, size: int, num_classes: int) -> "torch.Tensor":
        """Return the sorted indices of about `size` samples, balanced over the classes, with at least one of each.

        There are at most `size`, unless it is smaller than the number of classes; there are fewer if the rarest class
        has too few images. One fixed random order selects them, so a smaller selection is a subset of a larger one.
        """
        import torch

        order = torch.from_numpy(np.random.default_rng(_ORDER_SEED).permutation(len(self)))
        labels = self.labels.cpu()[order]
        per_class = min(max(size // num_classes, 1), self.rarest_class()[1])
        chosen = [order[labels == c][:per_class] for c in range(num_classes)]
        return torch.cat(chosen).sort().values.to(self.labels.device)

    def rarest_class(self) -> tuple[int, int]:
        """Return the label and the number of images of the rarest class present; (-1, 0) for an empty set."""
        labels, counts = (part.tolist() for part in self.labels.cpu().unique(return_counts=True))
        fewest = min(counts, default=0)
        return (labels[counts.index(fewest)], fewest) if counts else (-1, 0)

    def to(self, device: "torch.device") -> "ImageSet":
        """Return the same set on a device."""
        return ImageSet(self.images.to(device), self.labels.to(device), self.levels)

    def fingerprint(self) -> str:
        """Return a hash of the bytes and labels in their order, independent of the file and the device."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.levels)).encode())
        for tensor in (self.images, self.labels):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
