"""Alignment ("simplex similarity"): the rotation and shift of the class means from one condition to another."""

from dataclasses import dataclass

import torch

from rnc.metrics.means_by_class import ClassMeans
from rnc.vocabulary import Metric


@dataclass(frozen=True)
class ClassMeanMovement:
    """Angles (radians) and distances (feature units) per class, (C,); NaN if a class is absent in either condition."""

    angle: torch.Tensor
    angle_uncentred: torch.Tensor
    distance: torch.Tensor
    distance_uncentred: torch.Tensor
    global_mean_angle: float
    global_mean_distance: float

    def averages_over_classes(self) -> dict[Metric, float]:
        """Return the means over the classes present in both, and the angle and distance between the global means."""
        return {
            Metric.ANGLE: float(self.angle.nanmean()),
            Metric.ANGLE_UNCENTRED: float(self.angle_uncentred.nanmean()),
            Metric.DISTANCE: float(self.distance.nanmean()),
            Metric.DISTANCE_UNCENTRED: float(self.distance_uncentred.nanmean()),
            Metric.GLOBAL_MEAN_ANGLE: self.global_mean_angle,
            Metric.GLOBAL_MEAN_DISTANCE: self.global_mean_distance,
        }


def compare_class_means(reference: ClassMeans, other: ClassMeans) -> ClassMeanMovement:
    """Compare the means of two conditions over the same classes. Raises ValueError if the shapes differ."""
    if reference.means.shape != other.means.shape:
        raise ValueError(f"class means differ in shape: {tuple(reference.means.shape)}, {tuple(other.means.shape)}")
    return ClassMeanMovement(
        angle=angles_in_radians(reference.centred, other.centred),
        angle_uncentred=angles_in_radians(reference.means, other.means),
        distance=(reference.centred - other.centred).norm(dim=1),
        distance_uncentred=(reference.means - other.means).norm(dim=1),
        global_mean_angle=float(angles_in_radians(reference.global_mean[None], other.global_mean[None])[0]),
        global_mean_distance=float((reference.global_mean - other.global_mean).norm()),
    )


def angles_in_radians(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the angle in radians between the rows of a and b (n, d), accurate also for tiny angles.

    It is 2 atan2(|u - v|, |u + v|) of the unit vectors (Kahan), because the arccosine of a rounded cosine cannot
    resolve angles below 1e-8. The angle is NaN if a row is zero.
    """
    u, v = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    return 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))
