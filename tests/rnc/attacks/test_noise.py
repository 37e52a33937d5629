"""Noise has the size of the attack: norm epsilon (l_2), plus or minus epsilon (sign), sd epsilon (Gaussian)."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.attacks import L2Ball, LinfBall, SampleNoise, ball_of, gaussian_noise, sign_noise
from rnc.attacks.norm_balls import norms
from rnc.vocabulary import Norm
from tests.examples import examples
from tests.oracles import samples

Noisy = Callable[..., torch.Tensor]
NOISES = pytest.mark.parametrize("add", [gaussian_noise, sign_noise])
GREY = torch.full((50, 1, 8, 8), 0.5, dtype=torch.float64)


def source(seed: int = 0, n: int = 50) -> SampleNoise:
    return SampleNoise(seed, torch.arange(n))


@NOISES
@pytest.mark.parametrize("epsilon", [0.1, 0.5])
def test_l2_noise_has_exactly_the_norm(add: Noisy, epsilon: float) -> None:
    delta = add(GREY, L2Ball(epsilon), source()) - GREY
    assert float((norms(delta) - epsilon).abs().max()) <= 1e-12


def test_linf_sign_noise_is_plus_or_minus_epsilon() -> None:
    delta = sign_noise(GREY, LinfBall(8 / 255), source()) - GREY
    assert float((delta.abs() - 8 / 255).abs().max()) <= 1e-15
    assert abs(float(delta.sign().mean())) < 5 / len(delta.flatten()) ** 0.5


def test_l2_sign_noise_changes_every_pixel_equally() -> None:
    delta = sign_noise(GREY, L2Ball(0.8), source()) - GREY
    assert float((delta.abs() - 0.1).abs().max()) <= 1e-12
    assert abs(float(delta.sign().mean())) < 5 / len(delta.flatten()) ** 0.5


def test_linf_gaussian_noise_has_sd_epsilon() -> None:
    delta = gaussian_noise(GREY, LinfBall(0.05), source()) - GREY
    assert float(delta.std()) == pytest.approx(0.05, rel=0.05)
    assert abs(float(delta.mean())) < 5 * 0.05 / len(delta.flatten()) ** 0.5
    assert float(delta.abs().max()) > 0.1  # matched in size only: it leaves the ball


@pytest.mark.parametrize("ball", [LinfBall(0.1), L2Ball(0.4)])
def test_noise_is_added_to_the_images(ball: LinfBall | L2Ball) -> None:
    """The numbers of the source themselves: the normal ones, and -1 for uniform ones below 1/2."""
    images = samples.images(0, 50, size=8)
    normal, uniform = source().normal(images.shape, images), source().uniform(images.shape, images)
    for add, delta in ((gaussian_noise, normal), (sign_noise, torch.where(uniform < 0.5, -1.0, 1.0).double())):
        lengths = delta.flatten(1).norm(dim=1).view(-1, 1, 1, 1) if isinstance(ball, L2Ball) else 1.0
        expected = (images + ball.epsilon * delta / lengths).clamp(0, 1)
        assert torch.allclose(add(images, ball, source()), expected, atol=1e-12)


@NOISES
def test_a_ball_larger_than_the_images_is_refused(add: Noisy) -> None:
    assert add(GREY, L2Ball(8.0), source()).shape == GREY.shape  # sqrt(64)
    with pytest.raises(ValueError, match="epsilon"):
        add(GREY, L2Ball(8.1), source())


@examples(30)
@given(seed=st.integers(0, 10_000), norm=st.sampled_from(Norm), epsilon=st.floats(1e-3, 1.0))
def test_noisy_pixels_stay_in_range_and_keep_their_type(seed: int, norm: Norm, epsilon: float) -> None:
    for dtype in (torch.float32, torch.float64):
        images = samples.images(seed, 3, dtype=dtype)
        for add in (gaussian_noise, sign_noise):
            noisy = add(images, ball_of(norm, epsilon), source(seed, 3))
            assert noisy.shape == images.shape and noisy.dtype == dtype
            assert float(noisy.min()) >= 0 and float(noisy.max()) <= 1


@NOISES
@pytest.mark.parametrize("norm", Norm)
def test_what_a_sample_gets_depends_on_seed_and_index_alone(add: Noisy, norm: Norm) -> None:
    ball = ball_of(norm, 0.1)
    whole = add(GREY, ball, source(3))
    parts = [add(GREY[i : i + 7], ball, SampleNoise(3, torch.arange(i, min(i + 7, 50)))) for i in range(0, 50, 7)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(add(GREY, ball, source(4)), whole)
    assert not torch.equal(whole[0], whole[1])


@NOISES
def test_a_torch_generator_repeats(add: Noisy) -> None:
    first, second = (add(GREY, LinfBall(0.1), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
