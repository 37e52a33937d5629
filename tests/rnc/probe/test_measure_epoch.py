"""The rows of an epoch against `rnc.metrics` and the attacks called directly: by which labels, around whose means."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from rnc import datasets, metrics, models
from rnc.attacks import PGD, SampleNoise, ball_of, gaussian_noise, sign_noise
from rnc.conditions import CLEAN, Condition
from rnc.datasets import ImageSet
from rnc.models.modes import model_mode
from rnc.probe.measure_epoch import Measured, Plan, Probe
from rnc.probe.measured_images import MeasuredSet, TrainedImages
from rnc.vocabulary import FEATURES_LAYER, ConditionKind, Norm, Role, Split, TargetRule

EPSILON = 0.12
PERTURBED = Condition(ConditionKind.PGD, Norm.LINF, EPSILON, 2)
RELABELLED = replace(PERTURBED, relabelled=True)
TARGETED = Condition(ConditionKind.PGD, Norm.LINF, EPSILON, 2, target_rule=TargetRule.NEXT)
GAUSSIAN = Condition(ConditionKind.GAUSSIAN, Norm.LINF, EPSILON)
SIGNS = Condition(ConditionKind.SIGN_NOISE, Norm.L2, EPSILON)
AS_TRAINED = Condition(ConditionKind.AS_TRAINED)
SWEPT = Condition(ConditionKind.PGD, Norm.LINF, EPSILON / 2, 2)
NAMED = [
    (Role.CLEAN, CLEAN), (Role.PERTURBED, PERTURBED), (Role.RELABELLED, RELABELLED), (Role.TARGETED, TARGETED),
    (Role.GAUSSIAN, GAUSSIAN), (Role.SIGN_NOISE, SIGNS), (Role.AS_TRAINED, AS_TRAINED),
]  # fmt: skip
SPOTS = [
    (split, condition)
    for split in Split
    for condition in [*(condition for _role, condition in NAMED), SWEPT]
    if condition != AS_TRAINED or split is Split.TRAIN
]
SAMPLE = 20


def shown(part: Split | Condition) -> str:
    """Return the text that shows a test's parameter in its name."""
    return part.slug if isinstance(part, Condition) else str(part)


EVERYWHERE = pytest.mark.parametrize(("split", "condition"), SPOTS, ids=shown)


class Spot(NamedTuple):
    """The values for a (split, condition) that the test computes itself."""

    features: np.ndarray
    logits: np.ndarray
    measured: np.ndarray
    true: np.ndarray


@pytest.fixture(scope="module")
def net() -> models.FeatureClassifier:
    """Trained for a few steps, so that it decides for all classes, in train mode."""
    torch.manual_seed(3)
    net, digits = models.build("small_cnn", datasets.spec("digits")), datasets.load("digits", Split.TRAIN)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9)
    for part in torch.randperm(1400).split(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(digits.pixels(part)), digits.labels[part]).backward()
        optimizer.step()
    net.zero_grad()
    return net.train()


def few(split: Split, each: int) -> MeasuredSet:
    everything = datasets.load("digits", split)
    indices = everything.balanced_indices(10 * each, 10)
    return MeasuredSet.choose(everything.take(indices), indices, SAMPLE, 10)


@pytest.fixture(scope="module")
def sets() -> dict[Split, MeasuredSet]:
    return {Split.TRAIN: few(Split.TRAIN, 12), Split.TEST: few(Split.TEST, 6)}


@pytest.fixture(scope="module")
def ood_images() -> ImageSet:
    """Upside down."""
    digits = datasets.load("digits", Split.TEST)
    return ImageSet(digits.images.flip(2)[:50], digits.labels[:50], digits.levels)


@pytest.fixture(scope="module")
def trained(sets: dict[Split, MeasuredSet]) -> TrainedImages:
    """Brighter images, as if an epoch had trained on them in another order."""
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    return TrainedImages((sets[Split.TRAIN].images.pixels(order) * 1.5).clamp(0, 1), order)


@pytest.fixture(scope="module")
def measured(
    net: models.FeatureClassifier, sets: dict[Split, MeasuredSet], ood_images: ImageSet, trained: TrainedImages
) -> Measured:
    plan = Plan(7, NAMED, keep_vectors=True, layerwise=True, swept=[(Role.EXTRA, SWEPT)], trained=trained)
    return Probe("a", sets, ood_images, 10).measure(net, plan)


@pytest.fixture(scope="module")
def direct(net: models.FeatureClassifier, sets: dict[Split, MeasuredSet]) -> dict[tuple[Split, Condition], Spot]:
    found = {}
    frozen = net.eval()
    for split, condition in SPOTS:
        perturbed, goal = perturb(frozen, sets[split], condition)
        with torch.no_grad():
            h = frozen.features(perturbed)
            logits = frozen.classifier(h)
        measured = logits.argmax(1) if condition is RELABELLED else goal
        columns = (h, logits, measured, sets[split].images.labels)
        found[split, condition] = Spot(*(column.numpy() for column in columns))
    net.train()
    return found


def perturb(
    net: models.FeatureClassifier, part: MeasuredSet, condition: Condition
) -> tuple[torch.Tensor, torch.Tensor]:
    """The images of a condition from the attack functions, seed 0, and the labels that it is measured by."""
    images, labels = part.images.pixels(), part.images.labels
    epsilon = condition.epsilon or EPSILON
    noise, ball = SampleNoise(0, part.sample_indices), ball_of(condition.norm or Norm.LINF, epsilon)
    following = (labels + 1) % 10
    made: dict[Condition, Callable[[], torch.Tensor]] = {
        CLEAN: lambda: images,
        AS_TRAINED: lambda: (images * 1.5).clamp(0, 1),
        GAUSSIAN: lambda: gaussian_noise(images, ball, noise),
        SIGNS: lambda: sign_noise(images, ball, noise),
        TARGETED: lambda: PGD(ball, 2, 2.5 * epsilon / 2, targeted=True).run(net, images, following, noise),
    }
    attack = lambda: PGD(ball, 2, 2.5 * epsilon / 2).run(net, images, labels, noise)  # noqa: E731
    return made.get(condition, attack)(), following if condition is TARGETED else labels


def table(measured: Measured, name: str, split: Split, condition: Condition) -> pd.DataFrame:
    """The rows of a spot."""
    frame = measured.rows.tables()[name].to_pandas()
    assert set(frame["run_id"]) == {"a"} and set(frame["epoch"]) == {7}
    return frame[(frame["split"] == split) & (frame["condition"] == condition.slug)]


def around(frame: pd.DataFrame, split: Split, condition: Condition) -> dict[str, float]:
    """metric -> value of the penultimate rows around the means of (split, condition)."""
    chosen = frame[(frame["means_split"] == split) & (frame["means_condition"] == condition.slug)]
    chosen = chosen[chosen["layer"] == FEATURES_LAYER]
    assert not chosen["metric"].duplicated().any()
    return dict(zip(chosen["metric"], chosen["value"], strict=True))


def nearest(features: np.ndarray, means: np.ndarray) -> np.ndarray:
    """argmin_c norm(h - mu_c) over the classes that have a mean, sample by sample."""
    return np.array([np.nanargmin([np.linalg.norm(h - mean) for mean in means]) for h in features])


def class_means(spot: Spot) -> np.ndarray:
    """(10, d), NaN rows for classes without a sample."""
    return np.stack([_mean(spot.features[spot.measured == c].astype(np.float64)) for c in range(10)])


def _mean(features: np.ndarray) -> np.ndarray:
    return features.mean(axis=0) if len(features) else np.full(features.shape[1], np.nan)


Direct = dict[tuple[Split, Condition], Spot]


@EVERYWHERE
def test_own_metrics(
    net: models.FeatureClassifier, measured: Measured, direct: Direct, split: Split, condition: Condition
) -> None:
    spot = direct[split, condition]
    found = around(table(measured, "metric", split, condition), split, condition)
    expected = metrics.measure(spot.features, spot.measured, net.weight, net.bias, 10)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert found["classes_present"] == len(set(spot.measured.tolist()))
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
    alignment = metrics.compare_class_means(*means)
    found = around(table(measured, "metric", split, condition), split, CLEAN)
    expected = {str(name): value for name, value in alignment.averages_over_classes().items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    rows = table(measured, "class_metric", split, condition)
    turned = rows[(rows["metric"] == "angle") & (rows["means_condition"] == "clean") & (rows["means_split"] == split)]
    angles = alignment.angle.numpy()
    assert turned["class"].tolist() == np.flatnonzero(~np.isnan(angles)).tolist()
    assert turned["value"].to_numpy() == pytest.approx(angles[~np.isnan(angles)], rel=1e-5)


@EVERYWHERE
def test_leaps_are_of_true_classes_and_of_attacks_alone(
    measured: Measured, direct: Direct, split: Split, condition: Condition
) -> None:
    rows, spot = table(measured, "leap", split, condition), direct[split, condition]
    if condition not in (PERTURBED, TARGETED, SWEPT, AS_TRAINED):
        assert rows.empty
        return
    pairs = pd.DataFrame({"true_class": spot.true, "predicted_class": spot.logits.argmax(1)}).value_counts()
    found = rows.set_index(["true_class", "predicted_class"])
    assert found["count"].to_dict() == pairs.to_dict()
    clean = metrics.class_means([(direct[split, CLEAN].features, spot.true)], 10)
    angles = metrics.leaps_by_class_pair(spot.features, spot.true, spot.logits.argmax(1), clean).angles
    expected = {(i, j): float(angles[i, j]) for i, j in found.index}
    assert found["angle"].to_dict() == pytest.approx(expected, rel=1e-5)


@EVERYWHERE
def test_class_rows(measured: Measured, direct: Direct, split: Split, condition: Condition) -> None:
    spot = direct[split, condition]
    rows, means = table(measured, "class_mean", split, condition), class_means(spot)
    counts = np.bincount(spot.measured, minlength=10)
    present = counts.nonzero()[0]
    if condition is SWEPT:
        assert rows.empty
    else:
        assert rows["class"].tolist() == present.tolist()
        assert np.stack(rows["vector"].tolist()) == pytest.approx(means[present], rel=1e-4, abs=1e-5)
    scalars = table(measured, "class_metric", split, condition)
    own = scalars[(scalars["means_condition"] == condition.slug) & (scalars["means_split"] == split)]
    by_name = {name: part.sort_values("class")["value"].to_numpy() for name, part in own.groupby("metric")}
    assert by_name["count"].tolist() == counts.tolist()
    norms = np.linalg.norm(means - np.nanmean(means, axis=0), axis=1)
    assert by_name["norm"] == pytest.approx(norms[present], rel=1e-4)
    spread = [((spot.features[spot.measured == c] - means[c]) ** 2).sum(axis=1).mean() for c in present]
    assert by_name["variance"] == pytest.approx(np.array(spread), rel=1e-4)


SAMPLED = [spot for spot in SPOTS if spot[1] not in (RELABELLED, SWEPT)]


@pytest.mark.parametrize(("split", "condition"), SAMPLED, ids=shown)
def test_samples_are_balanced_and_the_same_in_every_condition(
    measured: Measured, direct: Direct, sets: dict[Split, MeasuredSet], split: Split, condition: Condition
) -> None:
    rows, spot = table(measured, "feature", split, condition), direct[split, condition]
    chosen = sets[split].images.balanced_indices(SAMPLE, 10).numpy()
    assert np.bincount(spot.true[chosen]).tolist() == [SAMPLE // 10] * 10
    assert rows["sample"].tolist() == sets[split].sample_indices[chosen].tolist(), (
        "a sample's index is its position in the data set"
    )
    assert rows["label"].tolist() == spot.true[chosen].tolist()
    assert rows["predicted"].tolist() == spot.logits.argmax(1)[chosen].tolist()
    assert np.stack(rows["vector"].tolist()) == pytest.approx(spot.features[chosen], rel=1e-4, abs=1e-4)
    kept = measured.samples[split, condition]
    assert kept.indices.tolist() == rows["sample"].tolist() and kept.features.dtype == np.float32


def test_the_classifier_is_kept(net: models.FeatureClassifier, measured: Measured) -> None:
    rows = measured.rows.tables()["classifier"].to_pandas()
    assert np.stack(rows["vector"].tolist()).tolist() == net.weight.detach().tolist()
    assert rows["bias"].tolist() == net.bias.detach().double().tolist() and rows["class"].tolist() == list(range(10))


def test_the_train_accuracy_is_handed_on(measured: Measured, direct: Direct) -> None:
    spot = direct[Split.TRAIN, CLEAN]
    assert measured.train_accuracy == (spot.logits.argmax(1) == spot.measured).mean()


@pytest.mark.parametrize("condition", [RELABELLED, SWEPT], ids=shown)
def test_no_features_are_kept_of_what_has_them_already_or_is_swept(measured: Measured, condition: Condition) -> None:
    assert all(table(measured, "feature", split, condition).empty for split in Split)
    assert all((split, condition) not in measured.samples for split in Split)


def test_as_trained_is_of_train_alone(measured: Measured) -> None:
    assert table(measured, "metric", Split.TEST, AS_TRAINED).empty


@pytest.mark.parametrize(("split", "condition"), [s for s in SPOTS if s[1] != CLEAN], ids=shown)
def test_cross_means_both_ways(measured: Measured, direct: Direct, split: Split, condition: Condition) -> None:
    """Perturbed samples around clean means, and clean samples around perturbed means."""
    clean, moved = direct[split, CLEAN], direct[split, condition]
    for spot, of, around_spot, around_condition in ((moved, condition, clean, CLEAN), (clean, CLEAN, moved, condition)):
        means = metrics.class_means([(around_spot.features, around_spot.measured)], 10)
        expected = {str(name): value for name, value in metrics.cross(spot.features, spot.measured, means).items()}
        found = around(table(measured, "metric", split, of), split, around_condition)
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_nc5_is_of_the_ood_images(net: models.FeatureClassifier, measured: Measured, ood_images: ImageSet) -> None:
    with torch.no_grad(), model_mode(net, training=False):
        mean = net.features(ood_images.pixels()).double().mean(0).numpy()
    rows = table(measured, "class_mean", Split.TRAIN, CLEAN)
    means = np.stack(rows["vector"].tolist())
    cosines = [abs(m @ mean) / np.linalg.norm(m) / np.linalg.norm(mean) for m in means]
    found = around(table(measured, "metric", Split.TRAIN, CLEAN), Split.TRAIN, CLEAN)["nc5"]
    assert found == pytest.approx(np.mean(cosines), rel=1e-4)


@pytest.mark.parametrize("condition", [CLEAN, PERTURBED], ids=shown)
@pytest.mark.parametrize("split", Split)
def test_every_stage_is_measured(
    net: models.FeatureClassifier,
    measured: Measured,
    sets: dict[Split, MeasuredSet],
    split: Split,
    condition: Condition,
) -> None:
    """The attack is made against the whole network, and the stages are those of the attacked images."""
    with model_mode(net, training=False), torch.no_grad():
        clean = dict(stages(net, sets[Split.TRAIN].images.pixels()))
        with torch.enable_grad():
            images = perturb(net, sets[split], condition)[0]
        found = dict(stages(net, images))
    labels = sets[split].images.labels.numpy()
    train = Spot(*[np.empty(0)] * 2, sets[Split.TRAIN].images.labels.numpy(), np.empty(0))
    rows = table(measured, "metric", split, condition)
    for name, activation in found.items():
        features = activation.flatten(1).numpy()
        own = metrics.measure(features, labels, torch.randn(10, features.shape[1]), torch.zeros(10), 10)
        expected = (
            nearest(features, class_means(train._replace(features=clean[name].flatten(1).numpy()))) == labels
        ).mean()
        at = rows[rows["layer"] == name].set_index(["metric", "means_split", "means_condition"])["value"]
        assert len(at) == 2, name
        assert at["nc1", split, condition.slug] == pytest.approx(own["nc1"], rel=1e-4)
        assert at["ncc_accuracy", "train", "clean"] == pytest.approx(expected), name
    assert set(rows["layer"]) == {FEATURES_LAYER, *found}


def stages(net: models.FeatureClassifier, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The input and every stage's activation, copied."""
    return {"pixels": images.clone()} | {name: x.clone() for name, x in net.activations(images)}


@EVERYWHERE
def test_stages_are_measured_under_two_conditions_alone(measured: Measured, split: Split, condition: Condition) -> None:
    layers = set(table(measured, "metric", split, condition)["layer"])
    assert (len(layers) > 1) is (condition in (CLEAN, PERTURBED))


def test_measuring_leaves_the_network_alone_and_beats(
    net: models.FeatureClassifier, sets: dict[Split, MeasuredSet], ood_images: ImageSet
) -> None:
    state, beats = {k: v.clone() for k, v in net.state_dict().items()}, []
    plan = Plan(0, NAMED[:2], keep_vectors=False)
    found = Probe("a", sets, ood_images, 10).measure(net.train(), plan, beat=lambda: beats.append(1))
    assert net.training and all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert len(beats) == 4 and found.samples == {}
    assert set(found.rows.tables()) == {"metric", "class_metric", "leap"}


def test_attacks_without_a_gradient_are_reported(
    net: models.FeatureClassifier,
    sets: dict[Split, MeasuredSet],
    ood_images: ImageSet,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Logits far apart have a cross entropy of exactly 0 in float32; noise needs no gradient."""
    Probe("a", sets, ood_images, 10).measure(net, Plan(0, [NAMED[0], NAMED[1], NAMED[4]], keep_vectors=False))
    assert "could not move" not in capsys.readouterr().out
    sure = copy.deepcopy(net)
    with torch.no_grad():
        sure.classifier.weight.mul_(1e5)
    Probe("a", sets, ood_images, 10).measure(sure, Plan(4, [NAMED[0], NAMED[1], NAMED[4]], keep_vectors=False))
    warnings = [line for line in capsys.readouterr().out.splitlines() if "could not move" in line]
    assert len(warnings) == 2 and warnings[0].startswith("a, epoch 4, train: for ") and " of 120 images" in warnings[0]
    assert warnings[1].startswith("a, epoch 4, test: for ") and " of 60 images" in warnings[1]
