"""Labels and explanations of the metrics."""

from dataclasses import dataclass

from rnc.vocabulary import Metric


@dataclass(frozen=True)
class MetricInfo:
    """The display of a metric: a short label, its formula in words, and a flag for a log axis."""

    label: str
    meaning: str
    log_axis: bool


MORE_IS_BETTER = (Metric.ACCURACY, Metric.NCC_ACCURACY)
"""The metrics for which larger values are better. For all others smaller ones are; the collapse metrics are 0 at collapse."""

METRIC_INFO = {
    Metric.NC1: MetricInfo("NC1 · within-class variability", "Tr(Σ_W pinv(Σ_B)) / C; 0 at collapse", True),
    Metric.NC2_EQUINORM: MetricInfo(
        "NC2 · equinorm, means", "std / mean of the norms of the centred class means", True
    ),
    Metric.NC2_EQUIANGULARITY: MetricInfo(
        "NC2 · equiangularity, means", "mean |cos + 1/(C−1)| over pairs of centred class means", True
    ),
    Metric.NC2_EQUINORM_W: MetricInfo("NC2 · equinorm, classifier", "std / mean of the norms of W's rows", True),
    Metric.NC2_EQUIANGULARITY_W: MetricInfo(
        "NC2 · equiangularity, classifier", "mean |cos + 1/(C−1)| over pairs of W's rows", True
    ),
    Metric.NC2_COS_STD: MetricInfo("NC2 · cosine spread, means", "std of cos over pairs of centred class means", True),
    Metric.NC2_COS_STD_W: MetricInfo("NC2 · cosine spread, classifier", "std of cos over pairs of W's rows", True),
    Metric.NC3: MetricInfo("NC3 · self-duality", "‖W/‖W‖ − M/‖M‖‖²; 0 where classifier and means agree", True),
    Metric.NC4: MetricInfo(
        "NC4 · nearest-centre disagreement", "share decided differently by network and nearest mean", True
    ),
    Metric.CDNV: MetricInfo(
        "CDNV · class-distance normalised variance",
        "mean (v_c + v_c′) / 2‖μ_c − μ_c′‖² over pairs; 0 at collapse",
        True,
    ),
    Metric.NC1_TRACE: MetricInfo("NC1 · ratio of traces", "Tr(Σ_W) / Tr(Σ_B); 0 at collapse", True),
    Metric.GNC2: MetricInfo(
        "GNC2 · hyperspherical uniformity",
        "variance of log 1/‖u_c − u_c′‖ over pairs of normalised centred class means",
        True,
    ),
    Metric.UNC3: MetricInfo("UNC3 · uniform duality", "variance of cos(w_c, μ_c − μ_G) over classes", True),
    Metric.NC5: MetricInfo(
        "NC5 · orthogonality to foreign images", "mean |cos| of class means and the foreign images' mean feature", True
    ),
    Metric.ACCURACY: MetricInfo("Accuracy", "share classified as labelled", False),
    Metric.LOSS: MetricInfo("Cross-entropy loss", "mean over samples, in nats", True),
    Metric.NCC_ACCURACY: MetricInfo(
        "Nearest-centre accuracy", "share whose nearest class mean is their label's", False
    ),
    Metric.ANGLE: MetricInfo("Angle to clean means", "mean angle (rad) to the clean centred class means", False),
    Metric.ANGLE_UNCENTRED: MetricInfo("Angle to clean means, not centred", "mean angle (rad) of class means", False),
    Metric.DISTANCE: MetricInfo("Distance to clean means", "mean distance between centred class means", True),
    Metric.DISTANCE_UNCENTRED: MetricInfo("Distance to clean means, not centred", "mean distance of class means", True),
    Metric.GLOBAL_MEAN_ANGLE: MetricInfo("Angle of global means", "angle (rad) between the two global means", False),
    Metric.GLOBAL_MEAN_DISTANCE: MetricInfo("Distance of global means", "distance between the two global means", True),
    Metric.CLASSES_PRESENT: MetricInfo(
        "Classes present", "classes with at least one sample; the others are left out", False
    ),
}
