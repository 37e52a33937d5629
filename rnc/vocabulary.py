"""Closed lists of the values allowed in a config, a store row or an address. Imports no other module of this project.

Shape letters used everywhere: N samples, C classes, d feature size, L stages, (c, h, w) image.

Tested by tests/rnc/conditions/test_options.py.
"""

from dataclasses import dataclass
from enum import StrEnum


class Norm(StrEnum):
    """The norm that bounds a perturbation."""

    LINF = "linf"
    L2 = "l2"


class Objective(StrEnum):
    """The training objective of a network; paper, section 2. The BatchNorm modes are listed in `train/losses.py`."""

    ST = "st"
    AT = "at"
    AT_EVAL_ATTACK = "at-eval-attack"
    TRADES = "trades"
    TRADES_RELEASED = "trades-released"
    OWN = "own"
    """An external network (`train.measure`); the store does not know how it was trained."""


TRAINED = tuple(objective for objective in Objective if objective is not Objective.OWN)
"""The objectives that `train.run` can train."""


class Split(StrEnum):
    """The part of a data set."""

    TRAIN = "train"
    TEST = "test"

    @property
    def images(self) -> str:
        """The name of its images in a sentence."""
        return "training images" if self is Split.TRAIN else "test images"


class ConditionKind(StrEnum):
    """The way in which the images of a condition are made from the clean ones."""

    CLEAN = "clean"
    PGD = "pgd"
    """Projected gradient descent (Madry et al. 2018); with momentum, MI-FGSM (Dong et al. 2018)."""
    FGSM = "fgsm"
    """A single step of epsilon from the clean image (Goodfellow et al. 2015)."""
    APGD = "apgd"
    """PGD that chooses its own step sizes (Croce and Hein 2020)."""
    GAUSSIAN = "gaussian"
    SIGN_NOISE = "sign_noise"
    AS_TRAINED = "as_trained"
    """The same perturbed batches that the epoch trained on; the attack is the run's training attack."""


class TargetRule(StrEnum):
    """The target of an attack: away from a sample's label, or towards a class."""

    UNTARGETED = "untargeted"
    NEXT = "next"
    """The paper's rule, (y + 1) mod C."""
    CLASS = "class"
    """The same class for all samples; a sample of that class is pushed further into it."""
    LIKELY = "likely"
    """The wrong class that the network finds most likely on the clean image."""


class AttackObjective(StrEnum):
    """The objective that an attack maximises; formulas and sources: `rnc/attacks/losses.py`."""

    CROSS_ENTROPY = "cross_entropy"
    KL = "kl"
    """The objective of TRADES, the divergence from the clean prediction; it uses no labels and is therefore never targeted."""
    MARGIN = "margin"
    """Carlini and Wagner's margin: the largest other logit minus that of the label."""
    DLR = "dlr"
    """The difference of logits ratio (Croce and Hein 2020): the margin without the scale of the logits."""


class StepSchedule(StrEnum):
    """The decay of PGD's step size over the steps t = 0 ... T - 1; APGD halves its own step size."""

    CONSTANT = "constant"
    LINEAR = "linear"
    """1 - t/T."""
    COSINE = "cosine"
    """(1 + cos(pi t/T)) / 2 (Loshchilov and Hutter 2017; in an attack, Liu et al. 2022)."""


class LabelRule(StrEnum):
    """The label of a sample in the metrics of a condition."""

    TRUE = "true"
    TARGET = "target"
    PREDICTED = "predicted"
    """The network's prediction; it shows whether perturbed features form a simplex again under their new labels."""


class Role(StrEnum):
    """The part that a condition plays for a run, independent of its epsilon and norm.

    A run has at most one condition of each role, so that runs can be compared by role; `extra` is for all further ones.
    """

    CLEAN = "clean"
    PERTURBED = "perturbed"
    TARGETED = "targeted"
    GAUSSIAN = "gaussian"
    SIGN_NOISE = "sign_noise"
    AS_TRAINED = "as_trained"
    RELABELLED = "relabelled"
    EXTRA = "extra"


class RunState(StrEnum):
    """The state of a run. `interrupted` is stored by a run that was stopped.

    It is also shown for a `running` run whose heartbeat has stopped.
    """

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class ProjectionMethod(StrEnum):
    """The method that projects features into the plane."""

    PCA = "pca"
    UMAP = "umap"


PIXELS_LAYER, FEATURES_LAYER = "pixels", "features"
"""The layer names of the input images, at depth 0, and of the penultimate features h, the input of the last linear layer."""

MOST_NETWORK_BYTES = 4 * 2**30
"""Maximum size of a file with a network: a billion parameters in float32. Larger files are refused unread."""
MOST_EPOCHS = 100_000
"""Maximum number of measured epochs that are read of one run: each is a position of the epoch slider."""
MOST_RESULT_BYTES = 2**28
"""Maximum size of a result of the lab, as it is sent and kept."""
RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
"""Pattern of the run names that `train.measure --name` allows: a name is part of a folder name and of an address."""
OWN_IMAGES = "own:"
"""The prefix of a data set name that is not a known name but the location of the user's own images."""

TERMINAL_ACCURACY = 0.999
"""Train accuracy from which training is in its terminal phase (TPT)."""
TERMINAL_ACCURACY_IN_WORDS = f"{100 * TERMINAL_ACCURACY:.10g} %"


class Milestone(StrEnum):
    """An event of a training that charts and films mark on the axis of epochs."""

    DROP = "drop"
    TERMINAL = "terminal"
    LEAP = "leap"


MILESTONE_NAMES = {
    Milestone.DROP: "learning rate drops",
    Milestone.TERMINAL: "terminal phase begins",
    Milestone.LEAP: "first leap",
}
MILESTONE_MEANINGS = {
    Milestone.DROP: "the learning rate drops",
    Milestone.TERMINAL: "the terminal phase of the run begins "
    f"({TERMINAL_ACCURACY_IN_WORDS} accuracy on the images that it trains on)",
    Milestone.LEAP: "the attack first moves a sample that was classified correctly to another class",
}
"""The event at an epoch that is marked, as a clause."""

HEARTBEAT_SECONDS = 5.0
"""Seconds between two heartbeats that a running trainer writes into the store."""

STALE_SECONDS = 60.0
"""Age of the heartbeat, in seconds, above which a running run counts as interrupted."""
NO_PLANE = "A plane has two axes, but this network has one penultimate feature."
"""The reason why a network of one feature has no projections."""

SYNTHETIC = "synthetic"  # the device of a run that was not trained and whose numbers are made up


class Metric(StrEnum):
    """The scalars of a (run, epoch, split, condition, layer); their labels and formulas: `METRIC_INFO`."""

    NC1 = "nc1"
    NC2_EQUINORM = "nc2_equinorm"
    NC2_EQUIANGULARITY = "nc2_equiangularity"
    NC2_EQUINORM_W = "nc2_equinorm_w"
    NC2_EQUIANGULARITY_W = "nc2_equiangularity_w"
    NC2_COS_STD = "nc2_cos_std"
    NC2_COS_STD_W = "nc2_cos_std_w"
    NC3 = "nc3"
    NC4 = "nc4"
    CDNV = "cdnv"
    NC1_TRACE = "nc1_trace"
    GNC2 = "gnc2"
    UNC3 = "unc3"
    NC5 = "nc5"
    ACCURACY = "accuracy"
    LOSS = "loss"
    NCC_ACCURACY = "ncc_accuracy"
    ANGLE = "angle"
    ANGLE_UNCENTRED = "angle_uncentred"
    DISTANCE = "distance"
    DISTANCE_UNCENTRED = "distance_uncentred"
    GLOBAL_MEAN_ANGLE = "global_mean_angle"
    GLOBAL_MEAN_DISTANCE = "global_mean_distance"
    CLASSES_PRESENT = "classes_present"


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
        "NC4 · nearest-centre disagreement", "how often network and nearest class mean disagree", True
    ),
    Metric.CDNV: MetricInfo(
        "CDNV · class-distance normalised variance",
        "mean (v + v′) / 2‖μ − μ′‖² over pairs of classes; 0 at collapse",
        True,
    ),
    Metric.NC1_TRACE: MetricInfo("NC1 · ratio of traces", "Tr(Σ_W) / Tr(Σ_B); 0 at collapse", True),
    Metric.GNC2: MetricInfo(
        "GNC2 · hyperspherical uniformity",
        "variance of log 1/‖u − u′‖ over pairs of normalised centred class means",
        True,
    ),
    Metric.UNC3: MetricInfo("UNC3 · uniform duality", "variance over classes of cos(row of W, centred mean)", True),
    Metric.NC5: MetricInfo(
        "NC5 · orthogonality to out-of-distribution images",
        "mean |cos| between the class means and the mean feature of another data set",
        True,
    ),
    Metric.ACCURACY: MetricInfo("Accuracy", "share of samples classified as their label", False),
    Metric.LOSS: MetricInfo("Cross-entropy loss", "mean over samples, in nats", True),
    Metric.NCC_ACCURACY: MetricInfo(
        "Nearest-centre accuracy", "share of samples nearest to the mean of their class", False
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


class ClassMetric(StrEnum):
    """The scalars of one class under a condition; angles in radians, the rest in feature units."""

    COUNT = "count"
    NORM = "norm"
    VARIANCE = "variance"
    ANGLE = "angle"
    ANGLE_UNCENTRED = "angle_uncentred"
    DISTANCE = "distance"
    DISTANCE_UNCENTRED = "distance_uncentred"
