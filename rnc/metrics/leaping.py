"""Movement of perturbed features: clusters of (true class i, predicted class j) and their angle to the clean mean of class j."""

from dataclasses import dataclass

import numpy as np
import torch

from rnc.metrics.mean_rotation import angles_in_radians
from rnc.metrics.means_by_class import ClassMeans, class_means
from rnc.metrics.row_chunks_and_precision import check_labels


@dataclass(frozen=True)
class Leaps:
    """Clusters by true class i and predicted class j."""

    counts: torch.Tensor
    """(C, C) numbers of samples of class i that the network classifies as j; the diagonal holds those classified correctly."""
    angles: torch.Tensor
    """(C, C) angles in radians between cluster mean and clean class mean j, both minus the clean global mean; NaN if empty."""

    def nonempty_counts_and_angles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the non-empty clusters as columns: true class, predicted class, count, angle."""
        true, predicted = self.counts.nonzero(as_tuple=True)
        columns = (true, predicted, self.counts[true, predicted], self.angles[true, predicted])
        true_class, predicted_class, count, angle = (column.cpu().numpy() for column in columns)
        return true_class, predicted_class, count, angle


def leaps_by_class_pair(
    features: torch.Tensor | np.ndarray,
    true: torch.Tensor | np.ndarray,
    predicted: torch.Tensor | np.ndarray,
    clean: ClassMeans,
) -> Leaps:
    """Cluster features (N, d) by true and predicted class (N,) against the clean means. Source: paper, section 3.

    Raises ValueError like `class_means`, and if the shapes of the labels differ.
    """
    num_classes = len(clean.counts)
    i, j = torch.as_tensor(true).to(torch.int64), torch.as_tensor(predicted).to(torch.int64)
    if i.shape != j.shape:
        raise ValueError(f"true and predicted labels differ in shape: {tuple(i.shape)}, {tuple(j.shape)}")
    for labels in (i, j):
        check_labels(labels, num_classes)
    pairs, cluster = (i * num_classes + j).unique(
        return_inverse=True
    )  # C^2 means of d features would not fit in memory
    clusters = class_means([(features, cluster)], len(pairs))
    pairs = pairs.to(clusters.means.device)
    turned = angles_in_radians(clusters.means - clean.global_mean, clean.centred[pairs % num_classes])
    counts = clusters.counts.new_zeros(num_classes**2).index_copy(0, pairs, clusters.counts)
    every = turned.new_full((num_classes**2,), torch.nan).index_copy(0, pairs, turned)
    square = (num_classes, num_classes)
    return Leaps(counts.reshape(square), every.reshape(square))
