"""The features along an attack are those of PGD as its formula has it, of the kept images, until before its last step."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.attacks import SampleNoise, ball_of
from rnc.conditions import CLEAN, Condition
from rnc.datasets import ImageSet
from rnc.models import FeatureClassifier, wrap
from rnc.probe import attack_path
from rnc.probe.attack_path import AttackedNetwork, path_features, steps_of_path
from rnc.probe.measure_epoch import Measured, Plan, Probe
from rnc.probe.measured_images import MeasuredSet
from rnc.vocabulary import ConditionKind, Norm, Role, Split, TargetRule
from tests.oracles.pgd_oracle import pgd

CLASSES, SIDE, KEPT = 3, 4, 12
LINF = Condition(ConditionKind.PGD, Norm.LINF, 0.1, 12, 0.03)
L2 = Condition(ConditionKind.PGD, Norm.L2, 0.5, 4, 0.2)
BRIEF = Condition(ConditionKind.PGD, Norm.LINF, 0.1, 1)
STEPS = {LINF: [0, 1, 2, 3, 5, 10], L2: [0, 1, 2, 3], BRIEF: [0]}


def targeted(condition: Condition) -> Condition:
    return replace(condition, target_rule=TargetRule.NEXT)


@pytest.fixture(scope="module")
def module() -> nn.Sequential:
    """A tiny network whose features are not linear in the pixels."""
    torch.manual_seed(5)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 8), nn.Tanh(), nn.Linear(8, CLASSES)).eval()
    with torch.no_grad():
        layers[1].weight.mul_(4)
    return layers


@pytest.fixture(scope="module")
def network(module: nn.Sequential) -> FeatureClassifier:
    return wrap(module, image_shape=(1, SIDE, SIDE))


def random_set(seed: int) -> MeasuredSet:
    """Images of a data set in which they have other indices than in the set."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.integers(0, 256, (60, 1, SIDE, SIDE), dtype=np.uint8))
    labels = torch.from_numpy(rng.permutation(np.arange(60) % CLASSES))
    return MeasuredSet.choose(ImageSet(images, labels), torch.from_numpy(rng.permutation(500)[:60]), KEPT, CLASSES)


@pytest.fixture(scope="module")
def sets() -> dict[Split, MeasuredSet]:
    return {Split.TRAIN: random_set(0), Split.TEST: random_set(1)}


def named(condition: Condition) -> list[tuple[Role, Condition]]:
    relabelled = replace(condition, relabelled=True)
    noise = Condition(ConditionKind.GAUSSIAN, condition.norm, condition.epsilon)
    others = [(Role.TARGETED, targeted(condition)), (Role.GAUSSIAN, noise), (Role.EXTRA, replace(condition, steps=7))]
    return [(Role.CLEAN, CLEAN), (Role.PERTURBED, condition), (Role.RELABELLED, relabelled), *others]


def measured(
    network: FeatureClassifier, sets: dict[Split, MeasuredSet], condition: Condition, **plan: bool
) -> Measured:
    return Probe("a", sets, sets[Split.TEST].images, CLASSES).measure(network, Plan(3, named(condition), **plan))


def start_of(part: MeasuredSet, condition: Condition) -> np.ndarray:
    """The random start; in l_inf by the formula: uniform in the cube around the clean image."""
    clean = part.images.pixels(part.stored_positions)
    noise = SampleNoise(0, part.sample_indices[part.stored_positions])
    if condition.norm == Norm.LINF:
        delta = condition.epsilon * (2 * noise.uniform(clean.shape, clean) - 1)
    else:
        delta = ball_of(condition.norm, condition.epsilon).random_start(clean, noise)
    return (clean + delta).double().numpy()


@pytest.mark.parametrize("aim", [lambda condition: condition, targeted], ids=["untargeted", "targeted"])
@pytest.mark.parametrize("condition", STEPS, ids=lambda condition: condition.slug)
def test_a_path_is_that_of_the_formula(
    module: nn.Sequential,
    network: FeatureClassifier,
    sets: dict[Split, MeasuredSet],
    condition: Condition,
    aim: Callable[[Condition], Condition],
) -> None:
    """Image by image in float64, for both splits; sample, step and decision are those of the rows."""
    attack = aim(condition)
    rows = measured(network, sets, condition).rows.tables()["attack_path"].to_pandas()
    assert set(rows["condition"]) == {condition.slug, targeted(condition).slug}, "of the run's own attacks alone"
    assert set(rows["run_id"]) == {"a"} and set(rows["epoch"]) == {3}
    double = copy.deepcopy(module).double()
    for split, part in sets.items():
        found = rows[(rows["split"] == split) & (rows["condition"] == attack.slug)]
        clean = part.images.pixels(part.stored_positions).double().numpy()
        labels = part.images.labels[part.stored_positions]
        goals = (labels + 1) % CLASSES if attack.is_targeted else labels
        assert found["step"].unique().tolist() == STEPS[condition]
        for step, at in found.groupby("step"):
            assert attack.norm and attack.epsilon and attack.step_size
            given = (str(attack.norm), attack.epsilon, int(step), attack.step_size, attack.is_targeted)
            images = torch.from_numpy(pgd(double, clean, goals.tolist(), *given, start_of(part, attack)))
            with torch.no_grad():
                features, decided = double[:3](images), double(images).argmax(1)
            assert at["sample"].tolist() == part.sample_indices[part.stored_positions].tolist()
            assert at["predicted"].tolist() == decided.tolist()
            np.testing.assert_allclose(np.stack(at["vector"].tolist()), features.numpy(), rtol=1e-4, atol=1e-5)


def test_the_steps_of_a_path_tell_each_other_apart(network: FeatureClassifier, sets: dict[Split, MeasuredSet]) -> None:
    """The test above would pass by accident if the attack did not move the features."""
    rows = measured(network, sets, LINF).rows.tables()
    path = rows["attack_path"].to_pandas()
    one = path[(path["split"] == "train") & (path["condition"] == LINF.slug)]
    at = [np.stack(part["vector"].tolist()) for _step, part in one.groupby("step")]
    assert all(np.abs(before - after).max() > 0.01 for before, after in itertools.pairwise(at))
    assert one.groupby("step")["predicted"].agg(list).map(tuple).nunique() > 1


def vectors(frame: pd.DataFrame, split: Split, condition: Condition) -> np.ndarray:
    return np.stack(frame[(frame["split"] == split) & (frame["condition"] == condition.slug)]["vector"].tolist())


@pytest.mark.parametrize("steps", [1, 3, 12])
def test_the_second_attack_ends_where_the_measured_one_does(steps: int) -> None:
    """Of a convolutional network on digits: up to rounding, since the measured attack has other images in its batches."""
    torch.manual_seed(2)
    digits = datasets.load("digits", Split.TRAIN)
    model = models.build("small_cnn", datasets.spec("digits")).eval()
    chosen = digits.balanced_indices(200, 10)
    sets = {Split.TRAIN: MeasuredSet.choose(digits.take(chosen), chosen, 40, 10)}
    attack = replace(LINF, steps=steps)
    roles = [(Role.CLEAN, CLEAN), (Role.PERTURBED, attack), (Role.TARGETED, targeted(attack))]
    found = Probe("a", sets, sets[Split.TRAIN].images, 10).measure(model, Plan(0, roles)).rows.tables()
    stored, network = found["feature"].to_pandas(), AttackedNetwork(model, model, 0)
    for condition in (attack, targeted(attack)):
        with torch.no_grad():
            last = path_features(condition, sets[Split.TRAIN], network, 10, [steps])[steps].features.numpy()
        expected, clean = (vectors(stored, Split.TRAIN, of) for of in (condition, CLEAN))
        np.testing.assert_allclose(last, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
        assert np.abs(expected - clean).max() > 0.05 * np.abs(expected).max(), "the attack moves them"


def path_of(condition: Condition, part: MeasuredSet, network: FeatureClassifier, **changes: object) -> list[np.ndarray]:
    attacked = replace(AttackedNetwork(network, network, 0), **changes)  # type: ignore[arg-type]
    with torch.no_grad():
        found = path_features(condition, part, attacked, CLASSES, steps_of_path(condition))
    return [at.features.numpy() for at in found.values()]


def test_of_several_restarts_the_path_is_that_of_the_first(
    network: FeatureClassifier, sets: dict[Split, MeasuredSet]
) -> None:
    part = sets[Split.TRAIN]
    once, often = (path_of(replace(LINF, restarts=restarts), part, network) for restarts in (1, 3))
    assert len(once) == 6 and all(map(np.array_equal, once, often))
    others = path_of(LINF, part, network, seed=1)
    assert not np.allclose(once[0], others[0]), "another random start"


def test_small_batches_give_the_same_rows(
    network: FeatureClassifier, sets: dict[Split, MeasuredSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = path_of(LINF, sets[Split.TEST], network)
    monkeypatch.setattr(attack_path, "batch_size", lambda _shape: 5)
    parts = path_of(LINF, sets[Split.TEST], network)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_attack_takes_no_step_that_is_not_kept(network: FeatureClassifier, sets: dict[Split, MeasuredSet]) -> None:
    """Ten gradients for an attack of a thousand steps."""
    gradients: list[int] = []

    def counted(images: torch.Tensor) -> torch.Tensor:
        gradients.append(len(images))
        return network(images)

    path_of(replace(LINF, steps=1000), sets[Split.TEST], network, logits_fn=counted)
    assert gradients == [KEPT] * 10


def test_without_vectors_and_without_steps_there_is_no_path(
    network: FeatureClassifier, sets: dict[Split, MeasuredSet]
) -> None:
    assert "attack_path" not in measured(network, sets, LINF, keep_vectors=False).rows.tables()
    fgsm = Condition(ConditionKind.FGSM, Norm.LINF, 0.1)
    assert steps_of_path(fgsm) == steps_of_path(CLEAN) == []
    assert path_of(fgsm, sets[Split.TEST], network) == []


@pytest.mark.parametrize(
    ("steps", "kept"), [(0, []), (1, [0]), (2, [0, 1]), (4, [0, 1, 2, 3]), (5, [0, 1, 2, 3]), (6, [0, 1, 2, 3, 5]),
                        (10, [0, 1, 2, 3, 5]), (11, [0, 1, 2, 3, 5, 10])],
)  # fmt: skip
def test_the_last_step_is_not_kept_twice(steps: int, kept: list[int]) -> None:
    assert steps_of_path(replace(LINF, steps=steps)) == kept
