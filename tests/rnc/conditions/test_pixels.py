"""Sizes meant for pixels of 0 to 255 are refused where they are entered or used, and can be read from a store."""

import math
import re

import pytest
import torch

from rnc.attacks import (
    PGD,
    L2Ball,
    LinfBall,
    TRADESAttack,
    attack_steps,
    gaussian_noise,
    perturbation,
    sign_noise,
)
from rnc.conditions import Condition, check_pixel_statistic, largest_epsilon
from rnc.lab.attack import AttackRequest
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.network_and_images import RequestError
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.vocabulary import Norm
from tests.rnc.lab.samples import PGD as PGD_CONDITION
from tests.rnc.lab.samples import SOURCE

IMAGES, LABELS = torch.full((2, 1, 4, 4), 0.5), torch.tensor([0, 1])


def network(images: torch.Tensor) -> torch.Tensor:
    """Three logits (N, 3)."""
    return images.flatten(1)[:, :3]


@pytest.mark.parametrize(
    ("slug", "message"),
    [
        ("pgd-linf-8-10", "epsilon 8 is more than the whole range of pixels, [0, 1]; did you mean 8/255?"),
        ("fgsm-linf-2.5", "epsilon 2.5 is more than the whole range of pixels, [0, 1]; did you mean 0.009803921569?"),
        ("gaussian-linf-300", "[0, 1]; sizes are in pixels of [0, 1], such as 8/255 or 0.03"),
        ("pgd-l2-128-10", "white one, 4, with pixels in [0, 1]; did you mean 128/255?"),
        ("apgd-l2-1100-10", "white one, 4, with pixels in [0, 1]; sizes are in pixels of [0, 1]"),
        ("sign_noise-l2-4.1", "epsilon 4.1 is more than the l2 distance of a black image from a white one, 4,"),
    ],
)
def test_a_slug_is_read_and_its_attack_refused(slug: str, message: str) -> None:
    found = Condition.from_slug(slug)
    assert Condition.from_slug(found.slug) == found and found.label
    for act in (
        lambda: found.check_size(16),
        lambda: attack_steps(found, network, IMAGES, LABELS, 3),
        lambda: perturbation(found, network, 3, 0)(IMAGES, LABELS, LABELS),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            act()


def test_no_ball_is_larger_than_the_images() -> None:
    with pytest.raises(ValueError, match="did you mean 8/255"):
        LinfBall(8)
    with pytest.raises(ValueError, match="of a black image from a white one, 1774, with"):
        L2Ball(2000)
    ball = L2Ball(5.0)
    for act in (
        lambda: PGD(ball, 1, 0.1).run(network, IMAGES, LABELS),
        lambda: gaussian_noise(IMAGES, ball),
        lambda: sign_noise(IMAGES, ball),
        lambda: TRADESAttack(Norm.L2, 5.0, 1, 0.1).run(network, IMAGES, LABELS),
    ):
        with pytest.raises(ValueError, match="epsilon 5 is more than the l2 distance"):
            act()


def test_the_whole_range_is_a_size() -> None:
    """Also as it is rounded in a slug: the checks for gradient masking attack at this radius."""
    for norm, radius in ((Norm.LINF, 1.0), (Norm.L2, math.sqrt(150_528))):
        assert largest_epsilon(norm, 150_528) == radius
        condition = Condition.from_slug(f"pgd-{norm}-{radius:.10g}-1")
        condition.check_size(150_528)
        condition.check_step_size(150_528)


def test_the_lab_refuses_what_is_entered_and_what_is_swept() -> None:
    large, long = Condition.from_slug("pgd-linf-8-10"), Condition.from_slug("pgd-linf-0.1-10-step2")
    for make in (AttackRequest, MaskingRequest):
        with pytest.raises(RequestError, match="epsilon 8 is more than"):
            make(SOURCE, large)
        with pytest.raises(RequestError, match="step size 2 is more than"):
            make(SOURCE, long)
    with pytest.raises(RequestError, match="epsilon 8 is more than"):
        StrengthCurveRequest((SOURCE,), PGD_CONDITION, Axis.EPSILON, (0.0, 8.0))


def test_means_and_deviations_are_of_pixels() -> None:
    for value in (0.0, 0.485, 1.0):
        check_pixel_statistic("mean", value)
    with pytest.raises(ValueError, match=r"std 58.4 is more than .* did you mean 0.229"):
        check_pixel_statistic("std", 58.4)
