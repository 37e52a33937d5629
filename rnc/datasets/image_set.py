"""Images and labels in memory: bytes as they were stored, floats in [0, 1] where they are asked for."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # (the dashboard reads specs and files of this package, and never loads torch)
    import torch

_ORDER_SEED = 0


@dataclass(frozen=True)
class ImageSet:
    """Images (N, c, h, w) uint8 in 0..levels and labels (N,) int64, in a fixed order: a sample's index is its name."""

    images: "torch.Tensor"
    labels: "torch.Tensor"
    levels: int = 255
    """The byte that stands for a pixel of 1."""

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    def pixels(self, indices: "torch.Tensor | None" = None) -> "torch.Tensor":
        """The images (n, c, h, w) of some samples, or of all, as float32 in [0, 1]."""
        chosen = self.images if indices is None else self.images[indices]
        return chosen.float() / self.levels

    def take(self, indices: "torch.Tensor") -> "ImageSet":
        """The set of some samples."""
        return ImageSet(self.images[indices], self.labels[indices], self.levels)

    def balanced_indices(self, size: int, num_classes: int) -> "torch.Tensor":
        """The sorted indices of about `size` samples, as many of one class as of another, and at least one of each.

        Never more than `size`, unless it is less than one of each; fewer where the rarest class has fewer.
        Chosen by one fixed random order, so that a smaller choice lies within a larger one.
        """
        import torch

        order = torch.from_numpy(np.random.default_rng(_ORDER_SEED).permutation(len(self)))
        labels = self.labels.cpu()[order]
        per_class = min(max(size // num_classes, 1), self.rarest()[1])
        chosen = [order[labels == c][:per_class] for c in range(num_classes)]
        return torch.cat(chosen).sort().values.to(self.labels.device)

    def rarest(self) -> tuple[int, int]:
        """The label of the class with the fewest images, of those present, and their number; (-1, 0) for an empty set."""
        labels, counts = (part.tolist() for part in self.labels.cpu().unique(return_counts=True))
        fewest = min(counts, default=0)
        return (labels[counts.index(fewest)], fewest) if counts else (-1, 0)

    def to(self, device: "torch.device") -> "ImageSet":
        """The same set on a device."""
        return ImageSet(self.images.to(device), self.labels.to(device), self.levels)

    def fingerprint(self) -> str:
        """A hash of the bytes and labels in their order, whatever file or device they came from."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.levels)).encode())
        for tensor in (self.images, self.labels):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
