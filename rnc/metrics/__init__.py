"""Collapse metrics: accumulate class statistics over a stream, then measure. Sums are in float64."""

from rnc.metrics.around_other_means import cross
from rnc.metrics.collapse import classifier_metrics, collapse, measure
from rnc.metrics.collapse_measures_from_literature import nc5
from rnc.metrics.layerwise import layer_means, layerwise
from rnc.metrics.leaping import Leaps, leaps_by_class_pair
from rnc.metrics.mean_rotation import ClassMeanMovement, compare_class_means
from rnc.metrics.means_by_class import ClassMeans, class_means
from rnc.metrics.nearest_centre import nearest_centre
from rnc.metrics.scatter_around_means import Scatter, scatter_around

__all__ = [
    "ClassMeanMovement",
    "ClassMeans",
    "Leaps",
    "Scatter",
    "compare_class_means",
    "class_means",
    "classifier_metrics",
    "collapse",
    "cross",
    "layer_means",
    "layerwise",
    "leaps_by_class_pair",
    "measure",
    "nc5",
    "nearest_centre",
    "scatter_around",
]
