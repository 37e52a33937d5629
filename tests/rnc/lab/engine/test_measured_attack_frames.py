"""Tests of the attack that the lab follows: it is that of `rnc.attacks`; stopped early, it is equal to one of fewer steps."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rnc import metrics
from rnc.attacks import PGD, SampleNoise, ball_of
from rnc.attacks.from_condition import perturbation
from rnc.conditions import Condition
from rnc.lab.attack import CLEAN_STEP, AttackRequest, AttackResult
from rnc.lab.engine import measured_attack_frames
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.engine.measured_attack_frames import class_balanced_order, record_trajectory
from rnc.lab.kinds import result_from_bytes
from rnc.models import wrap
from rnc.pca_and_umap_planes import PlanePCA
from rnc.vocabulary import ConditionKind, Norm, TargetRule
from tests.rnc.lab import networks
from tests.rnc.lab.samples import SOURCE
from tests.rnc.lab.test_result_base import same as same_result

ATTACK = Condition(ConditionKind.PGD, Norm.LINF, 0.2, 6, 0.05)
IN_L2 = Condition(ConditionKind.PGD, Norm.L2, 1.0, 3)
TARGETED = replace(ATTACK, target_rule=TargetRule.NEXT)
OTHERS = [
    Condition.from_slug(slug)
    for slug in (
        "fgsm-linf-0.1", "apgd-l2-1-5-dlr", "apgd-linf-0.1-4-restarts2", "pgd-linf-0.1-4-likely-margin",
        "pgd-linf-0.1-4-class3", "pgd-l2-1-4-momentum0.9", "gaussian-linf-0.1", "sign_noise-l2-1",
    )
]  # fmt: skip


def run(inputs: AttackInputs, condition: Condition, stop_after: int | None = None, **fields: Any) -> AttackResult:
    """The attack, stopped inside its round number `stop_after` (1 is the start)."""
    seen: list[int] = []

    def stopped() -> bool:
        seen.append(1)
        return stop_after is not None and len(seen) >= stop_after

    return record_trajectory(inputs, AttackRequest(SOURCE, condition, **fields), lambda *_: None, stopped)


def ends(inputs: AttackInputs, condition: Condition, steps: int, restarts: int = 1, seed: int = 0) -> torch.Tensor:
    """PGD called directly on all images at once."""
    assert condition.norm and condition.epsilon and condition.step_size
    targeted = condition.target_rule is TargetRule.NEXT
    labels = (inputs.labels + 1) % 10 if targeted else inputs.labels
    ball = ball_of(condition.norm, condition.epsilon)
    attack = PGD(ball, steps, condition.step_size, targeted=targeted, restarts=restarts)
    return attack.run(inputs.model, inputs.images, labels, SampleNoise(seed, inputs.indices))


def features(inputs: AttackInputs, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return inputs.model.features(images)


def measured(inputs: AttackInputs, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    return metrics.measure(features(inputs, images), labels, inputs.model.weight, inputs.model.bias, 10)


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("restarts", [1, 2])
@pytest.mark.parametrize("condition", [ATTACK, IN_L2, TARGETED], ids=lambda c: c.slug)
def test_to_the_end_it_is_pgd(
    inputs: AttackInputs, condition: Condition, restarts: int, seed: int, batch: int | None
) -> None:
    found = run(replace(inputs, batch=batch), replace(condition, restarts=restarts), seed=seed)
    assert condition.steps is not None
    expected, labels = ends(inputs, condition, condition.steps, restarts, seed), inputs.labels
    order = class_balanced_order(labels)
    assert np.allclose(found.perturbed_images, expected[order].float().numpy(), atol=1e-7)
    close(found.after, measured(inputs, expected, (labels + 1) % 10 if condition is TARGETED else labels))
    close(found.before, measured(inputs, inputs.images, labels))
    assert not found.stopped and found.steps_done == restarts * condition.steps
    assert found.rounds == restarts * (condition.steps + 1)


@pytest.mark.parametrize("condition", OTHERS, ids=lambda c: c.slug)
def test_every_attack_is_that_of_the_house(inputs: AttackInputs, condition: Condition) -> None:
    found = run(inputs, condition, seed=2)
    made = perturbation(condition, inputs.logits_fn, 10, 2)(inputs.images, inputs.labels, inputs.indices)
    assert np.allclose(
        found.perturbed_images, made.images[class_balanced_order(inputs.labels)].float().numpy(), atol=1e-7
    )
    close(found.after, measured(inputs, made.images, made.labels))
    assert found.rounds == condition.num_points_over_restarts and not found.stopped
    assert np.array_equal(found.goal, made.labels[class_balanced_order(inputs.labels)].numpy())


@pytest.mark.parametrize("batch", [None, 7])
def test_images_that_the_attack_cannot_move_are_counted(inputs: AttackInputs, batch: int | None) -> None:
    """A network so sure of its decisions that the cross entropy and its gradient are 0 in float32."""
    sure = copy.deepcopy(inputs.model).float()
    with torch.no_grad():
        sure.classifier.weight *= 1e6
    confident = replace(inputs, model=sure, images=inputs.images.float(), batch=batch)
    right = int((sure(confident.images).argmax(1) == inputs.labels).sum())
    short = Condition.from_slug("pgd-linf-0.0000001-1")
    found = run(confident, short)
    assert 0 < found.without_gradient <= right and found.images == len(inputs.labels)
    assert run(confident, Condition.from_slug("pgd-linf-0.0000001-1-margin")).without_gradient == 0
    assert run(inputs, ATTACK).without_gradient == 0


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("condition", [ATTACK, TARGETED], ids=lambda c: c.slug)
@pytest.mark.parametrize("stop_after", [1, 2, 4])
def test_stopped_after_some_rounds_it_is_that_many_steps(
    inputs: AttackInputs, condition: Condition, stop_after: int, batch: int | None
) -> None:
    found = run(replace(inputs, batch=batch), condition, stop_after)
    expected, labels = ends(inputs, condition, stop_after - 1), inputs.labels
    assert found.stopped and found.steps_done == stop_after - 1
    assert np.allclose(found.perturbed_images, expected[class_balanced_order(labels)].float().numpy(), atol=1e-7)
    close(found.after, measured(inputs, expected, (labels + 1) % 10 if condition is TARGETED else labels))
    assert list(found.frames["step"]) == [CLEAN_STEP, *range(stop_after)]


def test_stopped_in_the_second_restart_it_keeps_the_first_ones_ends(inputs: AttackInputs) -> None:
    found = run(inputs, replace(ATTACK, restarts=2), 9)
    expected = ends(inputs, ATTACK, 6)[class_balanced_order(inputs.labels)]
    assert found.stopped and found.steps_done == 7
    assert np.allclose(found.perturbed_images, expected.float().numpy(), atol=1e-7)
    assert list(zip(found.frames["restart"], found.frames["step"], strict=True))[-2:] == [(0, 6), (1, 1)]


def test_a_stop_in_the_last_round_is_the_end(inputs: AttackInputs) -> None:
    assert not run(inputs, ATTACK, 7).stopped


def test_every_frame_is_the_attack_of_so_many_steps(inputs: AttackInputs) -> None:
    """Each row of the frames and each slice of the watched images, against the attack run to that step alone."""
    found, labels = run(inputs, TARGETED), inputs.labels
    order, means = class_balanced_order(labels), metrics.class_means([(features(inputs, inputs.images), labels)], 10)
    pca = PlanePCA([features(inputs, inputs.images).numpy()])
    for frame, step in enumerate(found.frames["step"]):
        images = inputs.images if step == CLEAN_STEP else ends(inputs, TARGETED, step)
        by = labels if step == CLEAN_STEP else (labels + 1) % 10
        h, row = features(inputs, images), found.frames.iloc[frame]
        expected = measured(inputs, images, by)
        assert row["nc1"] == pytest.approx(expected["nc1"], rel=1e-7)
        assert row["accuracy"] == pytest.approx(expected["accuracy"])
        assert row["ncc_accuracy"] == pytest.approx(expected["ncc_accuracy"])
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-7)
        angle = metrics.compare_class_means(means, metrics.class_means([(h, by)], 10)).averages_over_classes()["angle"]
        assert row["angle"] == pytest.approx(angle, abs=1e-7)
        logits = inputs.model.classifier(h).detach()[order].numpy()
        own, rows = labels[order].numpy(), np.arange(40)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        wrong = np.where(np.arange(10) == own[:, None], -np.inf, logits).max(1)
        assert row["success"] == pytest.approx((logits.argmax(1) == (own + 1) % 10).mean())
        assert np.allclose(found.loss[frame], -np.log(odds[rows, own]), rtol=1e-5)
        assert np.allclose(found.margin[frame], logits[rows, own] - wrong, rtol=1e-5, atol=1e-5)
        assert np.array_equal(found.predicted[frame], logits.argmax(1))
        assert np.allclose(found.confidence[frame], odds.max(1), rtol=1e-5)
        assert np.allclose(found.plane[frame], pca.transform(h[order].numpy()), atol=1e-5)
        distances = np.linalg.norm(found.span[frame][:, None] - found.means_span, axis=2) ** 2
        true = torch.cdist(h[order], means.means).numpy() ** 2
        assert np.allclose(distances - distances[:, :1], true - true[:, :1], atol=1e-4), "ranks centres as features do"


def test_leaps_and_alignment_are_those_of_the_ends(inputs: AttackInputs) -> None:
    found, labels = run(inputs, TARGETED), inputs.labels
    h, moved = features(inputs, inputs.images), features(inputs, ends(inputs, TARGETED, 6))
    clean = metrics.class_means([(h, labels)], 10)
    alignment = metrics.compare_class_means(
        clean, metrics.class_means([(moved, (labels + 1) % 10)], 10)
    ).averages_over_classes()
    close(found.alignment, {str(name): value for name, value in alignment.items()})
    pairs = list(zip(labels.tolist(), inputs.model.classifier(moved).argmax(1).tolist(), strict=True))
    leaps = {(leap.true_class, leap.predicted_class): leap.count for leap in found.leaps.itertuples()}
    assert leaps == {pair: pairs.count(pair) for pair in set(pairs)}


def test_layers_compare_clean_with_perturbed_around_clean_centres(inputs: AttackInputs) -> None:
    found = run(inputs, ATTACK, layers=True).layers
    moved, labels = ends(inputs, ATTACK, 6), inputs.labels
    with torch.no_grad():
        stages = {
            shown: {"pixels": images}
            | dict(inputs.model.activations(images))
            | {"features": inputs.model.features(images)}
            for shown, images in (("clean", inputs.images), ("perturbed", moved))
        }
    assert (
        list(found["layer"].unique()) == list(stages["clean"]) and stages["clean"].keys() == stages["perturbed"].keys()
    )
    assert sorted(found["depth"].unique()) == list(range(len(stages["clean"])))
    for row in found.itertuples():
        h, centres = stages[row.shown][row.layer].flatten(1), stages["clean"][row.layer].flatten(1)
        means = metrics.class_means([(centres, labels)], 10)
        if row.metric == "nc1":
            own = metrics.class_means([(h, labels)], 10)
            expected = metrics.collapse(own, metrics.scatter_around([(h, labels)], own), h.new_ones(10, h.shape[1]))[
                "nc1"
            ]
        else:
            expected = float((metrics.nearest_centre(h, means) == labels).double().mean())
        assert row.value == pytest.approx(expected, rel=1e-7), row
    assert len(found) == 4 * len(stages["clean"])


def test_layers_are_left_out_where_they_were_not_asked_for(inputs: AttackInputs) -> None:
    assert run(inputs, ATTACK).layers.empty


def test_many_steps_are_thinned_and_the_last_is_there(inputs: AttackInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_attack_frames, "MOST_FRAMES", 3)
    found = run(inputs, replace(ATTACK, restarts=2))
    pairs = list(zip(found.frames["restart"], found.frames["step"], strict=True))
    assert pairs == [(0, CLEAN_STEP), (0, 0), (0, 3), (0, 6), (1, 6)]
    assert run(inputs, ATTACK, 5).frames["step"].tolist() == [CLEAN_STEP, 0, 3, 4]


def test_the_watched_are_as_asked_and_shown_as_far_as_they_fit(
    inputs: AttackInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured_attack_frames, "_SHOWN_BYTES", 12 * 8 * 64)
    found = run(inputs, ATTACK, watched=25)
    assert len(found.sample) == 25 and found.plane.shape == (8, 25, 2)
    assert np.bincount(found.label, minlength=10).tolist() == [3] * 5 + [2] * 5
    assert len(found.clean_images) == len(found.perturbed_images) == 12
    chosen = [inputs.indices.tolist().index(sample) for sample in found.sample[:12]]
    assert np.array_equal(found.clean_images, inputs.images[chosen].float().numpy())
    assert found.clean_images.dtype == np.float32


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 40))
def test_the_first_few_in_turn_are_balanced(labels: list[int], count: int) -> None:
    order = class_balanced_order(torch.tensor(labels))
    assert sorted(order.tolist()) == list(range(len(labels)))
    taken = [labels[i] for i in order[:count].tolist()]
    for c in set(labels):
        left = labels.count(c) - taken.count(c)
        assert left == 0 or all(taken.count(c) >= taken.count(other) - 1 for other in set(labels))


def test_progress_counts_rounds_and_brings_the_frames(inputs: AttackInputs) -> None:
    seen: list[tuple] = []
    request = AttackRequest(SOURCE, replace(ATTACK, restarts=2))
    found = record_trajectory(inputs, request, lambda *told: seen.append(told), lambda: False)
    assert [(done, total) for done, total, _row in seen] == [(done, 14) for done in range(15)]
    rows = [row for _done, _total, row in seen if row is not None]
    assert rows == found.frames.to_dict("records")


def test_results_go_through_bytes(inputs: AttackInputs) -> None:
    found = run(inputs, ATTACK, layers=True)
    assert same_result(found, result_from_bytes(found.to_bytes()))


def test_the_network_is_left_as_it_was(inputs: AttackInputs) -> None:
    before = {name: value.clone() for name, value in inputs.model.state_dict().items()}
    run(inputs, ATTACK, layers=True)
    assert all(torch.equal(value, before[name]) for name, value in inputs.model.state_dict().items())
    assert not inputs.model.training and all(p.grad is None for p in inputs.model.parameters())


def test_bad_pixels_and_impossible_targets_are_errors(inputs: AttackInputs) -> None:
    with pytest.raises(ValueError, match="pixels must be in"):
        run(replace(inputs, images=inputs.images + 1), ATTACK)
    with pytest.raises(ValueError, match="choose 0 to 9"):
        run(inputs, Condition.from_slug("pgd-linf-0.1-4-class10"))


class Narrow(nn.Module):
    """A network of a given number of features, which are constant if asked so."""

    def __init__(self, size: int, *, constant: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head, self.constant = nn.Linear(64, size), nn.Linear(size, 10), constant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.body(x.flatten(1))
        return self.head(features * 0 + 1 if self.constant else features)


@pytest.mark.parametrize(("size", "constant", "axes"), [(1, False, 0), (1, True, 0), (5, True, 2)])
def test_features_without_a_plane_or_a_simplex_are_followed(size: int, constant: bool, axes: int) -> None:
    """The numbers are there; what cannot be drawn has no coordinates, also after it was sent as bytes."""
    small = networks.inputs_of(wrap(Narrow(size, constant=constant), image_shape=(1, 8, 8)), 40)
    found = run(small, ATTACK)
    again = result_from_bytes(found.to_bytes())
    for result in (found, again):
        assert result.plane.shape[-1] == axes and result.before["accuracy"] == found.before["accuracy"]
        with pytest.raises(ValueError, match=r"line|plane"):
            result.samples_and_means_on_plane((0, 1, 2))
