"""The rows of an epoch against `rnc.metrics` and the attacks called directly: by which labels, around whose means."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from rnc import datasets, metrics, models
from rnc.attacks import SampleNoise, ball_of, gaussian_noise, pgd, sign_noise
from rnc.datasets import ImageSet
from rnc.vocabulary import CLEAN, Condition, ConditionKind, Norm, Split, TargetRule
from train.probe import Measured, Probe

EPSILON = 0.3
PERTURBED = Condition(ConditionKind.PGD, Norm.LINF, EPSILON, 2)
TARGETED = Condition(ConditionKind.PGD, Norm.LINF, EPSILON, 2, target_rule=TargetRule.NEXT)
GAUSSIAN = Condition(ConditionKind.GAUSSIAN, Norm.LINF, EPSILON)
SIGNS = Condition(ConditionKind.SIGN_NOISE, Norm.L2, EPSILON)
CONDITIONS = [CLEAN, PERTURBED, TARGETED, GAUSSIAN, SIGNS]
SPOTS = [(split, condition) for split in Split for condition in CONDITIONS]
SAMPLE = 20


def shown(part: Split | Condition) -> str:
    """How a test's parameter is shown."""
    return part.slug if isinstance(part, Condition) else str(part)


EVERYWHERE = pytest.mark.parametrize(("split", "condition"), SPOTS, ids=shown)


class Spot(NamedTuple):
    """What the test computes itself for a (split, condition)."""

    features: np.ndarray
    logits: np.ndarray
    measured: np.ndarray
    true: np.ndarray


@pytest.fixture(scope="module")
def net() -> models.FeatureClassifier:
    """Untrained, but with BatchNorm statistics of digits, in train mode."""
    torch.manual_seed(3)
    net = models.build("small_cnn", datasets.spec("digits"))
    with torch.no_grad():
        for _pass in range(20):
            net.train()(datasets.load("digits", Split.TRAIN).images[:200])
        net.classifier.weight.mul_(5)
    return net


def few(split: Split, each: int) -> ImageSet:
    everything = datasets.load("digits", split)
    chosen = everything.balanced_indices(10 * each, 10)
    return ImageSet(everything.images[chosen], everything.labels[chosen])


@pytest.fixture(scope="module")
def sets() -> dict[Split, ImageSet]:
    return {Split.TRAIN: few(Split.TRAIN, 12), Split.TEST: few(Split.TEST, 6)}


@pytest.fixture(scope="module")
def measured(net: models.FeatureClassifier, sets: dict[Split, ImageSet]) -> Measured:
    return Probe("a", sets, CONDITIONS, SAMPLE, 10).measure(net, 7, keep_vectors=True)


@pytest.fixture(scope="module")
def direct(net: models.FeatureClassifier, sets: dict[Split, ImageSet]) -> dict[tuple[Split, Condition], Spot]:
    found = {}
    frozen = net.eval()
    for split, condition in SPOTS:
        images, labels = sets[split].images, sets[split].labels
        perturbed, goal = perturb(frozen, images, labels, condition)
        with torch.no_grad():
            h = frozen.features(perturbed)
            columns = (h, frozen.classifier(h), goal, labels)
        found[split, condition] = Spot(*(column.numpy() for column in columns))
    net.train()
    return found


def perturb(
    net: models.FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, condition: Condition
) -> tuple[torch.Tensor, torch.Tensor]:
    """The images of a condition from the attack functions, seed 0, and the labels that it is measured by."""
    noise, ball = SampleNoise(0, torch.arange(len(labels))), ball_of(condition.norm or Norm.LINF, EPSILON)
    following = (labels + 1) % 10
    if condition is PERTURBED:
        return pgd(net, images, labels, ball, 2, 2.5 * EPSILON / 2, generator=noise), labels
    if condition is TARGETED:
        return pgd(net, images, following, ball, 2, 2.5 * EPSILON / 2, targeted=True, generator=noise), following
    if condition is GAUSSIAN:
        return gaussian_noise(images, ball, noise), labels
    return (sign_noise(images, ball, noise), labels) if condition is SIGNS else (images, labels)


def table(measured: Measured, name: str, split: Split, condition: Condition) -> pd.DataFrame:
    """The rows of a spot."""
    frame = measured.rows.tables()[name].to_pandas()
    assert set(frame["run_id"]) == {"a"} and set(frame["epoch"]) == {7}
    return frame[(frame["split"] == split) & (frame["condition"] == condition.slug)]


def around(frame: pd.DataFrame, split: Split, condition: Condition) -> dict[str, float]:
    """metric -> value of the rows around the means of (split, condition)."""
    chosen = frame[(frame["means_split"] == split) & (frame["means_condition"] == condition.slug)]
    assert not chosen["metric"].duplicated().any() and set(chosen["layer"]) <= {"features"}
    return dict(zip(chosen["metric"], chosen["value"], strict=True))


def nearest(features: np.ndarray, means: np.ndarray) -> np.ndarray:
    """argmin_c norm(h - mu_c), sample by sample."""
    return np.array([np.argmin([np.linalg.norm(h - mean) for mean in means]) for h in features])


def class_means(spot: Spot) -> np.ndarray:
    return np.stack([spot.features[spot.measured == c].astype(np.float64).mean(axis=0) for c in range(10)])


Direct = dict[tuple[Split, Condition], Spot]


@EVERYWHERE
def test_own_metrics(
    net: models.FeatureClassifier, measured: Measured, direct: Direct, split: Split, condition: Condition
) -> None:
    spot = direct[split, condition]
    found = around(table(measured, "metric", split, condition), split, condition)
    expected = metrics.measure(spot.features, spot.measured, net.weight, net.bias, 10)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert found["classes_present"] == 10
    assert found["ncc_accuracy"] == (nearest(spot.features, class_means(spot)) == spot.measured).mean()
    assert found["accuracy"] == (spot.logits.argmax(1) == spot.measured).mean()


@EVERYWHERE
def test_nearest_centre_by_the_clean_means_of_train(
    measured: Measured, direct: Direct, split: Split, condition: Condition
) -> None:
    spot = direct[split, condition]
    found = around(table(measured, "metric", split, condition), Split.TRAIN, CLEAN)
    expected = (nearest(spot.features, class_means(direct[Split.TRAIN, CLEAN])) == spot.measured).mean()
    assert found["ncc_accuracy"] == expected


def test_these_numbers_tell_means_and_labels_apart(direct: Direct) -> None:
    """The tests above would pass by accident if they did not."""
    spot = direct[Split.TEST, PERTURBED]
    own, clean = class_means(spot), class_means(direct[Split.TRAIN, CLEAN])
    rates = {(nearest(spot.features, means) == spot.measured).mean() for means in (own, clean)}
    rates.add((nearest(spot.features, class_means(direct[Split.TEST, CLEAN])) == spot.measured).mean())
    assert len(rates) == 3
    targeted = direct[Split.TRAIN, TARGETED]
    assert (targeted.logits.argmax(1) == targeted.measured).mean() != (
        targeted.logits.argmax(1) == targeted.true
    ).mean()


@pytest.mark.parametrize(("split", "condition"), [s for s in SPOTS if s[1] != CLEAN], ids=shown)
def test_alignment_with_the_clean_means_of_the_same_split(
    measured: Measured, direct: Direct, split: Split, condition: Condition
) -> None:
    means = [
        metrics.class_means([(direct[split, c].features, direct[split, c].measured)], 10) for c in (CLEAN, condition)
    ]
    alignment = metrics.align(*means)
    found = around(table(measured, "metric", split, condition), split, CLEAN)
    expected = {str(name): value for name, value in alignment.summary().items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    rows = table(measured, "class_metric", split, condition)
    turned = rows[(rows["metric"] == "angle") & (rows["means_condition"] == "clean") & (rows["means_split"] == split)]
    assert turned.sort_values("class")["value"].to_numpy() == pytest.approx(alignment.angle.numpy(), rel=1e-5)


@EVERYWHERE
def test_leaps_are_of_true_classes_and_of_attacks_alone(
    measured: Measured, direct: Direct, split: Split, condition: Condition
) -> None:
    rows, spot = table(measured, "leap", split, condition), direct[split, condition]
    if condition.kind is not ConditionKind.PGD:
        assert rows.empty
        return
    pairs = pd.DataFrame({"true_class": spot.true, "predicted_class": spot.logits.argmax(1)}).value_counts()
    found = rows.set_index(["true_class", "predicted_class"])
    assert found["count"].to_dict() == pairs.to_dict()
    clean = metrics.class_means([(direct[split, CLEAN].features, spot.true)], 10)
    angles = metrics.leaps(spot.features, spot.true, spot.logits.argmax(1), clean).angles
    expected = {(i, j): float(angles[i, j]) for i, j in found.index}
    assert found["angle"].to_dict() == pytest.approx(expected, rel=1e-5)


@EVERYWHERE
def test_class_rows(measured: Measured, direct: Direct, split: Split, condition: Condition) -> None:
    spot = direct[split, condition]
    rows, means = table(measured, "class_mean", split, condition), class_means(spot)
    assert rows["class"].tolist() == list(range(10))
    assert np.stack(rows["vector"].tolist()) == pytest.approx(means, rel=1e-5, abs=1e-6)
    scalars = table(measured, "class_metric", split, condition)
    own = scalars[(scalars["means_condition"] == condition.slug) & (scalars["means_split"] == split)]
    by_name = {name: part.sort_values("class")["value"].to_numpy() for name, part in own.groupby("metric")}
    assert by_name["count"].tolist() == [12 if split is Split.TRAIN else 6] * 10
    assert by_name["norm"] == pytest.approx(np.linalg.norm(means - means.mean(axis=0), axis=1), rel=1e-5)
    spread = [((spot.features[spot.measured == c] - means[c]) ** 2).sum(axis=1).mean() for c in range(10)]
    assert by_name["variance"] == pytest.approx(np.array(spread), rel=1e-4)


@EVERYWHERE
def test_samples_are_balanced_and_the_same_in_every_condition(
    measured: Measured, direct: Direct, sets: dict[Split, ImageSet], split: Split, condition: Condition
) -> None:
    rows, spot = table(measured, "feature", split, condition), direct[split, condition]
    chosen = rows["sample"].to_numpy()
    assert np.bincount(spot.true[chosen]).tolist() == [SAMPLE // 10] * 10
    assert chosen.tolist() == sets[split].balanced_indices(SAMPLE, 10).tolist()
    assert rows["label"].tolist() == spot.true[chosen].tolist()
    assert rows["predicted"].tolist() == spot.logits.argmax(1)[chosen].tolist()
    assert np.stack(rows["vector"].tolist()) == pytest.approx(spot.features[chosen], rel=1e-4, abs=1e-5)
    kept = measured.samples[split, condition]
    assert kept.indices.tolist() == chosen.tolist() and kept.features.dtype == np.float32


def test_the_classifier_is_kept(net: models.FeatureClassifier, measured: Measured) -> None:
    rows = measured.rows.tables()["classifier"].to_pandas()
    assert np.stack(rows["vector"].tolist()).tolist() == net.weight.detach().tolist()
    assert rows["bias"].tolist() == net.bias.detach().double().tolist() and rows["class"].tolist() == list(range(10))


def test_the_train_accuracy_is_handed_on(measured: Measured, direct: Direct) -> None:
    spot = direct[Split.TRAIN, CLEAN]
    assert measured.train_accuracy == (spot.logits.argmax(1) == spot.measured).mean()


def test_measuring_leaves_the_network_alone_and_beats(
    net: models.FeatureClassifier, sets: dict[Split, ImageSet]
) -> None:
    state, beats = {k: v.clone() for k, v in net.state_dict().items()}, []
    found = Probe("a", sets, CONDITIONS[:2], SAMPLE, 10).measure(
        net.train(), 0, keep_vectors=False, beat=lambda: beats.append(1)
    )
    assert net.training and all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert len(beats) == 4 and found.samples == {}
    assert set(found.rows.tables()) == {"metric", "class_metric", "leap"}
