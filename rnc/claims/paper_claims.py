"""The paper's claims C1 to C11 (paper.md, section 4), with their criteria in words and as numbers with bounds.

Tested by tests/rnc/test_claims.py.
"""

import math

import pandas as pd

from rnc.claims.bounds import (
    ALIGNED,
    AS_ROBUST,
    COLLAPSED,
    COLLAPSED_UNDER_ATTACK,
    DEEPER_COLLAPSES,
    DESTROYED,
    EARLY_RESISTS,
    HALF_WAY,
    LEAST_ROBUST,
    SIMPLEX_LOST,
    TIMES_CHANCE,
    WEAKER_ON_TEST,
)
from rnc.claims.claim import Claim
from rnc.claims.evidence import Number, RunEvidence, ratio
from rnc.vocabulary import TERMINAL_ACCURACY, Metric, Objective, Role, Split

COLLAPSE = (Metric.NC1, Metric.NC2_EQUINORM, Metric.NC2_EQUIANGULARITY, Metric.NC3, Metric.NC4)
USED = (*COLLAPSE, Metric.ANGLE, Metric.ACCURACY, Metric.NCC_ACCURACY)
"""The metrics that `judge_each_claim` needs."""

ONLY_FITTED = f" Only runs with at least {TERMINAL_ACCURACY:.1%} clean training accuracy are judged."
_C9_CRITERION = (
    f"On test data clean accuracy is at least {TIMES_CHANCE} times chance, and accuracy under PGD at least a third of it; "
    f"NC1 is above {COLLAPSED} of its start on clean and above {COLLAPSED_UNDER_ATTACK} of that start on perturbed training "
    "data."
)
_SHORT = {
    Metric.NC2_EQUINORM: "NC2 equinorm",
    Metric.NC2_EQUIANGULARITY: "NC2 equiangularity",
    Metric.NC3: "NC3",
    Metric.NC4: "NC4",
}
_AT = (Objective.AT, Objective.AT_EVAL_ATTACK)


def _c1(run: RunEvidence) -> list[Number]:
    numbers = [run.at_least("train accuracy", run.at(Role.CLEAN, Metric.ACCURACY), TERMINAL_ACCURACY)]
    numbers.append(run.at_most("NC1 now / at start", run.relative_to_clean_at_start(Role.CLEAN, Metric.NC1), COLLAPSED))
    for metric in COLLAPSE[1:]:
        numbers.append(
            run.below(f"{_SHORT[metric]} now / at start", run.relative_to_clean_at_start(Role.CLEAN, metric), 1)
        )
    return numbers


def _c2(run: RunEvidence) -> list[Number]:
    turned = run.relative_to_clean(Role.PERTURBED, Metric.NC2_EQUIANGULARITY)
    numbers = [
        run.at_least(
            "NC1, perturbed / clean", run.relative_to_clean(Role.PERTURBED, Metric.NC1), DESTROYED, Role.PERTURBED
        ),
        run.at_least("equiangularity, perturbed / clean", turned, SIMPLEX_LOST, Role.PERTURBED),
    ]
    for shown, share in run.epsilon_shares_of_weaker_attacks().items():
        if math.isclose(share, 0.5):
            numbers.append(
                run.at_least("NC1 at ε/2 / clean", run.relative_to_clean(shown, Metric.NC1), DESTROYED, shown)
            )
    return numbers


def _c3(run: RunEvidence) -> list[Number]:
    between_vertices = math.acos(-1 / (run.num_classes - 1))
    shown = Role.RELABELLED
    angle = run.radians_from_clean_means(shown) / between_vertices
    return [
        run.at_most("NC1, relabelled / clean", run.relative_to_clean(shown, Metric.NC1), DESTROYED, shown),
        run.at_most(
            "NC1 relabelled / clean at start", run.relative_to_clean_at_start(shown, Metric.NC1), COLLAPSED, shown
        ),
        run.at_most("angle to the vertex / between two vertices", angle, HALF_WAY, shown),
    ]


def _c4(run: RunEvidence) -> list[Number]:
    shown = Role.TARGETED
    turned = run.relative_to_clean(shown, Metric.NC2_EQUIANGULARITY)
    return [
        run.at_most(
            "NC1 targeted / clean at start", run.relative_to_clean_at_start(shown, Metric.NC1), COLLAPSED, shown
        ),
        run.at_most("equiangularity, targeted / clean", turned, SIMPLEX_LOST, shown),
        run.at_most("angle to the target's vertex (rad)", run.radians_from_clean_means(shown), ALIGNED, shown),
    ]


def _c5(run: RunEvidence) -> list[Number]:
    numbers = []
    for noise, name in ((Role.GAUSSIAN, "Gaussian"), (Role.SIGN_NOISE, "sign noise")):
        numbers.append(run.at_most(f"NC1, {name} / clean", run.relative_to_clean(noise, Metric.NC1), DESTROYED, noise))
        numbers.append(run.at_most(f"angle, {name} (rad)", run.radians_from_clean_means(noise), ALIGNED, noise))
    return numbers


def _c6(run: RunEvidence) -> list[Number]:
    clean, perturbed = (run.relative_to_clean_at_start(shown, Metric.NC1) for shown in (Role.CLEAN, Role.PERTURBED))
    return [
        run.at_most("NC1 clean now / clean at start", clean, COLLAPSED),
        run.at_most("NC1 perturbed now / clean at start", perturbed, COLLAPSED_UNDER_ATTACK, Role.PERTURBED),
    ]


def _c7(run: RunEvidence) -> list[Number]:
    angle = run.radians_from_clean_means(Role.PERTURBED)
    return [run.at_most("mean angle clean to perturbed (rad)", angle, ALIGNED, Role.PERTURBED)]


def _c8(run: RunEvidence) -> list[Number]:
    guessing = TIMES_CHANCE / run.num_classes
    shown = Role.PERTURBED
    numbers = [run.at_least("under PGD, train: network", run.at(shown, Metric.ACCURACY), guessing, shown)]
    for split, means in ((Split.TRAIN, "clean"), (Split.TEST, "train clean")):
        nearest = run.at(shown, Metric.NCC_ACCURACY, split=split, means=means)
        relative = ratio(nearest, run.at(shown, Metric.ACCURACY, split=split))
        numbers.append(run.at_least(f"under PGD, {split}: nearest centre / network", relative, AS_ROBUST, shown))
    return numbers


def _c9(run: RunEvidence) -> list[Number]:
    clean, attacked = (run.at(shown, Metric.ACCURACY, split=Split.TEST) for shown in (Role.CLEAN, Role.PERTURBED))
    return [
        run.at_least("test accuracy, clean", clean, TIMES_CHANCE / run.num_classes),
        run.at_least("test accuracy, PGD / clean", ratio(attacked, clean), LEAST_ROBUST, Role.PERTURBED),
        run.at_least("NC1 clean now / at start", run.relative_to_clean_at_start(Role.CLEAN, Metric.NC1), COLLAPSED),
        run.at_least(
            "NC1 perturbed now / clean at start",
            run.relative_to_clean_at_start(Role.PERTURBED, Metric.NC1),
            COLLAPSED_UNDER_ATTACK,
            Role.PERTURBED,
        ),
    ]


def _c10(run: RunEvidence) -> list[Number]:
    stages = run.stages()
    variability = pd.Series([run.at(Role.CLEAN, Metric.NC1, layer=layer) for layer in stages], dtype=float)
    depth = pd.Series(range(len(stages)), dtype=float)
    order = math.nan if variability.hasnans else variability.rank().corr(depth)
    nearest = [run.at(Role.PERTURBED, Metric.NCC_ACCURACY, means="clean", layer=stage) for stage in stages]
    early = pd.Series(nearest[1 : max((len(stages) + 1) // 2, 2)], dtype=float).max(
        skipna=False
    )  # the pixels at index 0 are no layer
    last = run.at(Role.PERTURBED, Metric.NCC_ACCURACY, means="clean")
    return [
        run.at_most("rank correlation of depth and NC1", order, DEEPER_COLLAPSES),
        run.at_least("under PGD: nearest centre, early − last", early - last, EARLY_RESISTS, Role.PERTURBED),
    ]


def _c11(run: RunEvidence) -> list[Number]:
    shown = (Role.CLEAN,) if run.objective == Objective.ST else (Role.CLEAN, Role.PERTURBED)
    return [
        run.at_least(
            f"NC1 {name}, test / train",
            ratio(run.at(name, Metric.NC1, split=Split.TEST), run.at(name, Metric.NC1)),
            WEAKER_ON_TEST,
            name,
        )
        for name in shown
    ]


CLAIMS = (
    Claim(
        "C1",
        "Standard training collapses",
        "On clean training data NC1 to NC4 go towards 0.",
        f"Train accuracy ≥ {TERMINAL_ACCURACY:.1%}; NC1 is at most {COLLAPSED} of its initial value, NC2 to NC4 are below "
        "theirs.",
        (Objective.ST,),
        _c1,
        "NC1 now / at start",
    ),
    Claim(
        "C2",
        "PGD destroys the collapse of standard training",
        "Perturbed features show neither variability collapse nor a simplex, already at a small epsilon.",
        f"NC1 on perturbed data is at least {DESTROYED} times that on clean, equiangularity at least {SIMPLEX_LOST} times; "
        "so is NC1 at half of epsilon where that is measured.",
        (Objective.ST,),
        _c2,
        "NC1, perturbed / clean",
        only_fitted=True,
    ),
    Claim(
        "C3",
        "Under attack, features of standard training leap to other vertices",
        "The perturbed features are not noise: labelled by the network's predictions, they collapse again, near the vertex of "
        "the predicted class.",
        f"Relabelled, NC1 is at most {DESTROYED} times that on clean and {COLLAPSED} of clean NC1 at the start; the means "
        "are nearer to the clean ones than half-way between two vertices, arccos(−1/(C−1)).",
        (Objective.ST,),
        _c3,
        "NC1, relabelled / clean",
        only_fitted=True,
    ),
    Claim(
        "C4",
        "A targeted attack rebuilds the simplex of standard training",
        "Attacked towards the next class, the features gather at its vertex, and the simplex is aligned with the clean one.",
        f"With the targets as labels NC1 is at most {COLLAPSED} of clean NC1 at the start, equiangularity at most "
        f"{SIMPLEX_LOST} times the clean one, and the mean angle to the clean means at most {ALIGNED} rad.",
        (Objective.ST,),
        _c4,
        "angle to the target's vertex (rad)",
        only_fitted=True,
    ),
    Claim(
        "C5",
        "Random noise of the same size leaves the collapse intact",
        "Gaussian and sign noise of the attack's size change neither the collapse nor the simplex.",
        f"Under either noise NC1 is at most {DESTROYED} times that on clean data, and the class means turn by at most "
        f"{ALIGNED} rad.",
        (Objective.ST,),
        _c5,
        "NC1, Gaussian / clean",
        only_fitted=True,
    ),
    Claim(
        "C6",
        "Adversarial training collapses on clean and perturbed data",
        "Clean and perturbed training features collapse.",
        f"NC1 on clean data is at most {COLLAPSED}, on perturbed data at most {COLLAPSED_UNDER_ATTACK} of NC1 on clean data "
        "at the start.",
        _AT,
        _c6,
        "NC1 perturbed now / clean at start",
    ),
    Claim(
        "C7",
        "Clean and perturbed simplices of adversarial training are aligned",
        "A small angle lies between clean and perturbed class means of adversarial training.",
        f"The mean angle between centred class means is at most {ALIGNED} rad.",
        _AT,
        _c7,
        "mean angle clean to perturbed (rad)",
    ),
    Claim(
        "C8",
        "After adversarial training, a nearest-centre rule is as robust as the network",
        "The nearest clean class mean classifies perturbed images about as well as the network does.",
        f"Under PGD the network's train accuracy is at least {TIMES_CHANCE} times chance; on train and test nearest-centre "
        f"accuracy (means of clean training data) is at least {AS_ROBUST} of the network's.",
        _AT,
        _c8,
        "under PGD, train: nearest centre / network",
    ),
    Claim(
        "C9",
        "TRADES is robust without collapse",
        "Trained as by its authors: the attack in eval mode, the loss with BatchNorm in train mode.",
        _C9_CRITERION,
        (Objective.TRADES,),
        _c9,
        "NC1 perturbed now / clean at start",
    ),
    Claim(
        "C9 released",
        "TRADES in its released code is robust without collapse",
        "Trained as by the paper's code: BatchNorm in eval mode throughout, its running statistics at 0 and 1.",
        _C9_CRITERION,
        (Objective.TRADES_RELEASED,),
        _c9,
        "NC1 perturbed now / clean at start",
    ),
    Claim(
        "C10",
        "Collapse grows with depth, and early layers resist an attack longer",
        "In standard training NC1 falls along the network; under attack a nearest-centre rule holds longer in early layers.",
        f"On training data the rank correlation of depth and clean NC1 is at most {DEEPER_COLLAPSES}, and under PGD the best "
        f"stage of the first half has a nearest-centre accuracy at least {EARLY_RESISTS} above that of the features.",
        (Objective.ST,),
        _c10,
        "under PGD: nearest centre, early − last",
        only_fitted=True,
    ),
    Claim(
        "C11",
        "Collapse is much weaker on test data",
        "NC holds much more weakly on test than on training data; after adversarial training, on perturbed data too.",
        f"NC1 on test data is at least {WEAKER_ON_TEST} times that on training data: on clean, and on perturbed data where "
        "it was trained on.",
        (Objective.ST, *_AT),
        _c11,
        "NC1 clean, test / train",
        only_fitted=True,
    ),
)
