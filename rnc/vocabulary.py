"""The closed lists of the house: what may stand in a config, a store row or an address. Imports nothing else of ours.

Shape letters, everywhere: N samples, C classes, d feature size, L stages, (c, h, w) image.
"""

from enum import StrEnum


class Norm(StrEnum):
    """The norm that bounds a perturbation."""

    LINF = "linf"
    L2 = "l2"


class Objective(StrEnum):
    """What a network is trained on; paper, section 2. Their BatchNorm modes are listed in `train/losses.py`."""

    ST = "st"
    AT = "at"
    AT_EVAL_ATTACK = "at-eval-attack"
    TRADES = "trades"
    TRADES_RELEASED = "trades-released"
    OWN = "own"
    """A network that somebody brought along (`train.measure`): how it was trained, the store does not know."""


TRAINED = tuple(objective for objective in Objective if objective is not Objective.OWN)
"""The objectives that `train.run` trains by."""


class Split(StrEnum):
    """The part of a data set."""

    TRAIN = "train"
    TEST = "test"


class ConditionKind(StrEnum):
    """How the images of a condition are made from the clean ones."""

    CLEAN = "clean"
    PGD = "pgd"
    """Projected gradient descent (Madry et al. 2018); with momentum, MI-FGSM (Dong et al. 2018)."""
    FGSM = "fgsm"
    """One step of epsilon from the clean image (Goodfellow et al. 2015)."""
    APGD = "apgd"
    """PGD that chooses its step sizes by itself (Croce and Hein 2020)."""
    GAUSSIAN = "gaussian"
    SIGN_NOISE = "sign_noise"
    AS_TRAINED = "as_trained"
    """The very perturbed batches that the epoch trained on; the attack is the run's own."""


class TargetRule(StrEnum):
    """Where an attack drives a sample: away from its label, or to a class."""

    UNTARGETED = "untargeted"
    NEXT = "next"
    """The paper's, (y + 1) mod C."""
    CLASS = "class"
    """One class for all; a sample that is of it already is driven deeper into it."""
    LIKELY = "likely"
    """The wrong class that the network finds likeliest on the clean image."""


class AttackObjective(StrEnum):
    """What an attack climbs; formulas and sources: `rnc/attacks/objectives.py`."""

    CROSS_ENTROPY = "cross_entropy"
    KL = "kl"
    """TRADES', the divergence from the clean prediction; no labels, so never targeted."""
    MARGIN = "margin"
    """Carlini and Wagner's: by how much the strongest other logit is ahead."""
    DLR = "dlr"
    """The difference of logits ratio (Croce and Hein 2020): the margin, free of the logits' scale."""


class StepSchedule(StrEnum):
    """How the step of PGD shrinks on its way, t = 0 ... T - 1; APGD halves its own."""

    CONSTANT = "constant"
    LINEAR = "linear"
    """1 - t/T."""
    COSINE = "cosine"
    """(1 + cos(pi t/T)) / 2 (Loshchilov and Hutter 2017; in an attack, Liu et al. 2022)."""


class LabelRule(StrEnum):
    """Which label a sample carries in the metrics of a condition."""

    TRUE = "true"
    TARGET = "target"
    PREDICTED = "predicted"
    """What the network decides: do the perturbed features form a simplex again under the labels that they leapt to?"""


class Role(StrEnum):
    """The part that a condition plays for a run, whatever its epsilon and norm.

    A run has at most one condition of each role, so that runs compare by role; `extra` is for all further ones.
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
    """`interrupted` is stored by a run that was told to stop, and shown for a `running` one whose heartbeat has stopped."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class ProjectionMethod(StrEnum):
    """How features were brought into the plane."""

    PCA = "pca"
    UMAP = "umap"


PIXELS_LAYER, FEATURES_LAYER = "pixels", "features"
"""The layer names of the input images, at depth 0, and of the penultimate features h, the input of the last linear layer."""

MOST_NETWORK_BYTES = 4 * 2**30
"""Of a file that holds a network: a billion parameters in float32. Larger ones are refused unread."""
MOST_EPOCHS = 100_000
"""Measured epochs of one run that are read: each is a place of the cursor."""
MOST_RESULT_BYTES = 2**28
"""Of a result of the lab, as it is sent and kept."""
RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
"""What `train.measure --name` may call a run: a part of a folder's name and of an address."""
OWN_IMAGES = "own:"
"""What the name of a data set begins with where it is no name, but says where images of one's own lie."""

TERMINAL_ACCURACY = 0.999
"""Train accuracy from which on training is in its terminal phase (TPT)."""

HEARTBEAT_SECONDS = 5.0
"""How often a running trainer says in the store that it lives."""

STALE_SECONDS = 60.0
"""A running run whose heartbeat is older than this counts as interrupted."""
SYNTHETIC = "synthetic"  # what a run's device says where nobody trained it and its numbers are made up


class Metric(StrEnum):
    """The scalars of a (run, epoch, split, condition, layer); their formulas: `rnc/ui/charts/labels.py`, `rnc/metrics`."""

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


class ClassMetric(StrEnum):
    """The scalars of one class under a condition; angles in radians, the rest in feature units."""

    COUNT = "count"
    NORM = "norm"
    VARIANCE = "variance"
    ANGLE = "angle"
    ANGLE_UNCENTRED = "angle_uncentred"
    DISTANCE = "distance"
    DISTANCE_UNCENTRED = "distance_uncentred"
