"""Auto-PGD is the paper's algorithm, sample by sample, and its checkpoints are the paper's."""

import itertools

import numpy as np
import pytest
import torch

from rnc.attacks import APGD, LinfBall, SampleNoise, attack_labels, attack_steps, ball_of, cross_entropy
from rnc.attacks.apgd import checkpoints
from rnc.conditions import Condition
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, TargetRule
from tests.oracles import attack_oracle as oracle
from tests.oracles import samples

CLASSES, SIZE = 5, 4
AIMED = [*itertools.product(TargetRule, ("cross_entropy", "margin", "dlr")), (TargetRule.UNTARGETED, "kl")]
CASES = [
    Condition(
        ConditionKind.APGD,
        norm,
        epsilon,
        steps,
        target_rule=rule,
        target_class=2 if rule is TargetRule.CLASS else None,
        objective=AttackObjective(objective),
    )
    for norm, epsilon in ((Norm.LINF, 0.15), (Norm.L2, 0.6))
    for steps in (7, 40)
    for rule, objective in AIMED
]


def flat_from(condition: Condition, values: list[float]) -> int:
    """The first step taken from where the ratio is 1 whatever the logits: a label that came in third gives no direction."""
    flat = condition.objective is AttackObjective.DLR and not condition.is_targeted
    return next((k + 1 for k, value in enumerate(values) if flat and abs(value - 1) < 1e-9), len(values))


@pytest.mark.parametrize("condition", CASES, ids=lambda c: c.slug)
def test_it_is_the_papers_algorithm(condition: Condition) -> None:
    net = samples.mlp(num_classes=CLASSES)
    clean, labels = samples.images(1, SIZE), samples.labels(1, SIZE, CLASSES)
    targets = attack_labels(condition, net, clean, labels, CLASSES)
    path = [*attack_steps(condition, net, clean, labels, CLASSES, SampleNoise(2, torch.arange(SIZE)))]
    for i in range(SIZE):
        with torch.no_grad():
            before = net(clean[i : i + 1])[0]
        target = int(targets[i]) if condition.is_targeted else None

        def score(
            z: torch.Tensor, i: int = i, target: int | None = target, before: torch.Tensor = before
        ) -> torch.Tensor:
            return oracle.objective(condition.objective, z, int(labels[i]), target, before)

        sizes = (str(condition.norm), condition.epsilon, condition.steps)
        points, values, _etas = oracle.apgd_one(net, clean[i].numpy(), score, *sizes, path[0].images[i].numpy())
        logits = net(torch.tensor(np.stack(points))).detach()
        ranks = [oracle.rank(value, z, int(labels[i]), target) for value, z in zip(values, logits, strict=True)]
        for step, point in list(zip(path, points, strict=True))[: flat_from(condition, values)]:
            np.testing.assert_allclose(step.images[i].numpy(), point, atol=1e-9)
            best = max(range(step.step + 1), key=ranks.__getitem__)
            np.testing.assert_allclose(step.kept[i].numpy(), points[best], atol=1e-9)


def test_the_cases_above_halve_at_some_reviews_and_not_at_others() -> None:
    """Or they would prove nothing."""
    net, clean, labels = samples.mlp(num_classes=CLASSES), samples.images(1, SIZE), samples.labels(1, SIZE, CLASSES)
    halvings = set()
    for i in range(SIZE):
        score = lambda z, i=i: oracle.objective("cross_entropy", z, int(labels[i]), None, z)  # noqa: E731
        _points, _values, etas = oracle.apgd_one(net, clean[i].numpy(), score, "l2", 0.6, 40, clean[i].numpy())
        halvings.add(tuple(a != b for a, b in itertools.pairwise(etas)))
    assert len(halvings) > 1
    assert any(0 < sum(one) < len(oracle.checkpoints(40)) - 1 for one in halvings)


def test_the_checkpoints_of_100_steps_are_those_of_the_paper() -> None:
    """p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99: each gap 0.03 less than the last, and at least 0.06."""
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 10, 50, 75, 100, 333, 1000])
def test_checkpoints_are_reckoned_without_rounding(steps: int) -> None:
    assert checkpoints(steps) == sorted({w for w in oracle.checkpoints(steps) if 0 < w < steps})


def test_points_that_are_as_good_as_the_start_do_not_replace_it_and_are_no_increase() -> None:
    """A loss that is 0 everywhere, with a gradient of 1: the start stays, and the first review halves the step from there."""
    steps, epsilon = 40, 0.1

    def level(logits: torch.Tensor, _labels: torch.Tensor) -> torch.Tensor:
        total = logits.sum(1)
        return total - total.detach()

    def first_pixel(images: torch.Tensor) -> torch.Tensor:
        value = images.flatten(1).mean(1)
        return torch.stack([value, -1 - value.detach()], dim=1)

    images = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64)
    attack = APGD(LinfBall(epsilon), steps, loss=level)
    path = [*attack.iterates(first_pixel, images, torch.zeros(2, dtype=torch.int64), start=images - 0.05)]
    assert all(torch.equal(step.kept, images - 0.05) for step in path)
    moved = [float((step.images - (images - 0.05)).abs().max()) for step in path]
    review = checkpoints(steps)[0]
    assert moved[review] == pytest.approx(0.15) and moved[review + 1] < 0.14


def two_logits_of_the_mean(images: torch.Tensor) -> torch.Tensor:
    value = images.flatten(1).mean(1)
    return torch.stack([value, -1 - value.detach()], dim=1)


def test_one_step_moves_and_no_step_asks_for_no_gradient() -> None:
    images, labels = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64), torch.zeros(2, dtype=torch.int64)

    def mean_pixel(logits: torch.Tensor, _labels: torch.Tensor) -> torch.Tensor:
        return logits[:, 0]

    one_step = APGD(LinfBall(0.1), 1, loss=mean_pixel).run(two_logits_of_the_mean, images, labels, start=images)
    assert torch.allclose(one_step, images + 0.1)
    (only,) = APGD(LinfBall(0.1), 0, loss=mean_pixel).iterates(two_logits_of_the_mean, images, labels, start=images)
    assert torch.equal(only.kept, images) and only.without_gradient is None


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.15), ("l2", 0.6)])
def test_a_step_to_an_equal_loss_is_no_increase(norm: str, epsilon: float) -> None:
    """The loss rises with the first steps and is level after them, so that the first review halves the step size."""
    steps = 40
    net, clean, labels = samples.mlp(num_classes=CLASSES), samples.images(1, SIZE), samples.labels(1, SIZE, CLASSES)

    def level_from(bound: float, loss: torch.Tensor) -> torch.Tensor:
        return loss - loss.detach() + loss.detach().clamp(max=bound)

    for i in range(SIZE):
        image, label = clean[i : i + 1], labels[i : i + 1]
        with torch.no_grad():
            bound = float(cross_entropy(net(image), label)) + 0.01

        def score(z: torch.Tensor, i: int = i, bound: float = bound) -> torch.Tensor:
            return level_from(bound, oracle.objective("cross_entropy", z, int(labels[i]), None, z))

        def loss(z: torch.Tensor, label: torch.Tensor, bound: float = bound) -> torch.Tensor:
            return level_from(bound, cross_entropy(z, label))

        points, values, etas = oracle.apgd_one(net, image[0].numpy(), score, norm, epsilon, steps, image[0].numpy())
        review = checkpoints(steps)[0]
        assert values[0] < values[1] == values[review] and etas[review + 1] < etas[review]
        path = APGD(ball_of(Norm(norm), epsilon), steps, loss=loss).iterates(net, image, label, start=image)
        for step, point in zip(path, points, strict=True):
            np.testing.assert_allclose(step.images[0].numpy(), point, atol=1e-9)
