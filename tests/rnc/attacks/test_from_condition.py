"""A condition read as an attack: the images and labels that each kind of condition gives, whatever the batches."""

import pytest
import torch

from rnc.attacks import PGD, L2Ball, LinfBall, SampleNoise, ball_of, cross_entropy, gaussian_noise, sign_noise
from rnc.attacks.from_condition import Perturbed, next_class, perturbation, prepare
from rnc.conditions import CLEAN, Condition
from rnc.vocabulary import ConditionKind, Norm, TargetRule
from tests.oracles import samples

NET = samples.conv_net()
IMAGES, LABELS = samples.images(0, 9), samples.labels(0, 9)
INDICES = torch.arange(100, 109)

RULES = [TargetRule.UNTARGETED, TargetRule.NEXT, TargetRule.LIKELY]
CONDITIONS = [
    CLEAN,
    *(
        Condition(kind, norm, 0.1)
        for kind in (ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE)
        for norm in (Norm.LINF, Norm.L2)
    ),
    *(Condition(ConditionKind.PGD, norm, 0.2, 4, target_rule=rule) for norm in Norm for rule in RULES),
]
EVERY = pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.slug)


def run(condition: Condition, seed: int = 5) -> Perturbed:
    return perturbation(condition, NET, 3, seed)(IMAGES, LABELS, INDICES)


def noise(seed: int = 5) -> SampleNoise:
    return SampleNoise(seed, INDICES)


@pytest.mark.parametrize(
    "kind", [ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE, ConditionKind.FGSM, ConditionKind.PGD]
)
def test_an_epsilon_that_images_of_this_size_cannot_have_is_refused(kind: ConditionKind) -> None:
    """An image of n numbers changes by at most sqrt(n) in l_2."""
    largest = IMAGES[0].numel() ** 0.5
    steps = 1 if kind is ConditionKind.PGD else None
    assert run(Condition(kind, Norm.L2, 0.99 * largest, steps)).images.shape == IMAGES.shape
    with pytest.raises(ValueError, match="epsilon"):
        run(Condition(kind, Norm.L2, 1.01 * largest, steps))


@pytest.mark.parametrize(
    "kind", [ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE, ConditionKind.FGSM, ConditionKind.PGD]
)
def test_the_largest_epsilon_counts_the_channels_and_not_the_images(kind: ConditionKind) -> None:
    """Two images of 3 x 4 x 4 pixel values: at most sqrt(48), neither sqrt(16) nor sqrt(96); the message names l_2."""
    images, labels = torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, dtype=torch.int64)
    steps = 1 if kind is ConditionKind.PGD else None
    allowed, refused = (Condition(kind, Norm.L2, share * 48**0.5, steps) for share in (0.99, 1.01))
    flat = lambda x: x.flatten(1)  # noqa: E731
    assert torch.equal(prepare(allowed, flat, images, labels, 48).attack_labels, labels)
    assert perturbation(allowed, flat, 48, 0)(images, labels, torch.arange(2)).images.shape == images.shape
    with pytest.raises(ValueError, match=r"epsilon.*l2 distance.*6\.928"):
        prepare(refused, flat, images, labels, 48)
    with pytest.raises(ValueError, match=r"epsilon.*l2 distance.*6\.928"):
        perturbation(refused, flat, 48, 0)(images, labels, torch.arange(2))


def test_next_class_wraps() -> None:
    assert next_class(torch.tensor([0, 1, 2, 9]), 10).tolist() == [1, 2, 3, 0]


def test_clean_changes_nothing() -> None:
    found = run(CLEAN)
    assert torch.equal(found.images, IMAGES) and torch.equal(found.labels, LABELS)


@pytest.mark.parametrize("ball", [LinfBall(0.1), L2Ball(0.1)])
def test_noise_kinds_are_the_noises_of_the_ball(ball: LinfBall | L2Ball) -> None:
    norm = Norm.LINF if isinstance(ball, LinfBall) else Norm.L2
    gaussian, sign = (run(Condition(kind, norm, 0.1)) for kind in (ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE))
    assert torch.equal(gaussian.images, gaussian_noise(IMAGES, ball, noise()))
    assert torch.equal(sign.images, sign_noise(IMAGES, ball, noise()))
    assert torch.equal(gaussian.labels, LABELS) and torch.equal(sign.labels, LABELS)


@pytest.mark.parametrize("norm", Norm)
def test_untargeted_is_pgd_away_from_the_label_and_keeps_it(norm: Norm) -> None:
    found = run(Condition(ConditionKind.PGD, norm, 0.2, 4, step_size=0.07))
    assert torch.equal(found.images, PGD(ball_of(norm, 0.2), 4, 0.07).run(NET, IMAGES, LABELS, noise()))
    assert torch.equal(found.labels, LABELS)


@pytest.mark.parametrize("norm", Norm)
def test_targeted_is_pgd_to_the_next_class_and_measured_by_it(norm: Norm) -> None:
    found = run(Condition(ConditionKind.PGD, norm, 0.2, 4, step_size=0.07, target_rule=TargetRule.NEXT))
    target = (LABELS + 1) % 3
    expected = PGD(ball_of(norm, 0.2), 4, 0.07, targeted=True).run(NET, IMAGES, target, noise())
    assert torch.equal(found.images, expected)
    assert torch.equal(found.labels, target)
    with torch.no_grad():
        assert bool((cross_entropy(NET(found.images), target) < cross_entropy(NET(IMAGES), target)).all())


@EVERY
def test_batches_do_not_matter(condition: Condition) -> None:
    whole = run(condition)
    perturb = perturbation(condition, NET, 3, 5)
    for i in range(0, 9, 2):
        part = perturb(IMAGES[i : i + 2], LABELS[i : i + 2], INDICES[i : i + 2])
        torch.testing.assert_close(part.images, whole.images[i : i + 2], rtol=0, atol=1e-9)
        assert torch.equal(part.labels, whole.labels[i : i + 2])


@EVERY
def test_the_same_seed_repeats_and_the_inputs_stay(condition: Condition) -> None:
    images, labels = IMAGES.clone(), LABELS.clone()
    assert torch.equal(run(condition).images, run(condition).images)
    assert torch.equal(images, IMAGES) and torch.equal(labels, LABELS)
    if condition is not CLEAN:
        assert not torch.equal(run(condition, seed=6).images, run(condition).images)
        assert not torch.equal(run(condition).images, IMAGES)
